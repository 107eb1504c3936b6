"""Functions that change or rest on the process, its threads and its clients, as scripts have them.

Written before the rules were read.
"""

from __future__ import annotations

import asyncio
import code
import codecs
import contextvars
import cProfile
import decimal
import gettext
import http.server
import importlib
import io
import os
import pstats
import queue
import random
import signal
import socket
import sys
import tempfile
import threading
import tracemalloc
import urllib.request
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from case import Case, case, compute

N = 120


@case("process")
def script_signal_to_itself() -> Case:
    """Rare items send a signal whose handler notes it."""
    notes: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, frame: notes.append(number))

    def work(item: int) -> int:
        value = compute(item)
        if item % 25 == 24:
            os.kill(os.getpid(), signal.SIGUSR1)
        return value

    return Case(work, range(N), left=lambda: len(notes))


@case("process")
def script_run_named_by_the_first() -> Case:
    """``os.environ.setdefault``: the first item names the run."""
    os.environ.pop("SCRIPT_RUN", None)

    def work(item: int) -> str:
        compute(item)
        return os.environ.setdefault("SCRIPT_RUN", f"run-{item}")

    return Case(work, range(N), left=lambda: os.environ["SCRIPT_RUN"])


@case("process")
def script_prints_gathered_in_one_buffer() -> Case:
    """What a function prints is sent into a buffer of the caller."""
    buffer = io.StringIO()

    def work(item: int) -> int:
        with redirect_stdout(buffer):
            print("item", item)
        return compute(item)

    return Case(work, range(N), left=buffer.getvalue)


@case("process")
def script_warning_shown_once() -> Case:
    """A warning is shown once, to a function that notes it."""
    shown: list[str] = []
    warnings.simplefilter("default")
    before = warnings.showwarning

    def show(message: Any, *place: Any, **more: Any) -> None:
        if "script" in str(message):
            shown.append(str(message))
        else:
            before(message, *place, **more)

    warnings.showwarning = show

    def work(item: int) -> int:
        if item > 50:
            warnings.warn(f"script: old kind {item % 2}", UserWarning, stacklevel=1)
        return compute(item)

    return Case(work, range(N), left=lambda: shown)


@case("process")
def script_size_of_stacks() -> Case:
    """A rare item sets the size of stacks."""
    threading.stack_size(0)

    def work(item: int) -> int:
        if item == 60:
            threading.stack_size(512 * 1024)
        return compute(item)

    return Case(work, range(N), left=threading.stack_size)


@case("process")
def script_tracing_of_memory_begun() -> Case:
    """A rare item starts tracemalloc."""

    def work(item: int) -> int:
        if item == 100:
            tracemalloc.start()
        return compute(item)

    return Case(work, range(N), left=tracemalloc.is_tracing)


@case("process")
def script_module_read_again() -> Case:
    """A module is reloaded, which begins its count anew."""
    folder = Path(tempfile.mkdtemp())
    sys.path.insert(0, str(folder))
    (folder / "script_state.py").write_text("count = 0\n")
    state = importlib.import_module("script_state")

    def work(item: int) -> int:
        compute(item)
        if item % 30 == 29:
            importlib.reload(state)
        state.count += 1
        return int(state.count)

    return Case(work, range(N), left=lambda: state.count)


@case("process")
def script_list_of_a_manager() -> Case:
    """A list in a process of multiprocessing's manager."""
    import multiprocessing

    manager = multiprocessing.get_context("fork").Manager()
    found = manager.list()

    def work(item: int) -> int:
        value = compute(item)
        found.append(item)
        return value

    def left() -> list[int]:
        result = list(found)
        manager.shutdown()
        return result

    return Case(work, range(N), left=left)


@case("context")
def script_context_that_is_kept() -> Case:
    """A context object of the caller holds a counter."""
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("script_counter", default=0)
    kept = contextvars.copy_context()

    def step() -> int:
        variable.set(variable.get() + 1)
        return variable.get()

    def work(item: int) -> int:
        compute(item)
        return kept.run(step)

    return Case(work, range(N), left=lambda: kept[variable])


@case("context")
def script_flags_of_decimals() -> Case:
    """Some item rounds, which raises a flag of the context."""
    decimal.getcontext().clear_flags()

    def work(item: int) -> str:
        compute(item)
        return str(decimal.Decimal(1) / decimal.Decimal(3 if item == 77 else 4))

    return Case(work, range(N), left=lambda: bool(decimal.getcontext().flags[decimal.Inexact]))


@case("process")
def script_queue_of_a_loop() -> Case:
    """Coroutines run on a loop of the caller take turns from a queue."""
    loop = asyncio.new_event_loop()
    turns: asyncio.Queue[int] = asyncio.Queue()

    async def step(item: int) -> int:
        await turns.put(item)
        return turns.qsize()

    def work(item: int) -> int:
        compute(item)
        return loop.run_until_complete(step(item))

    return Case(work, range(N), left=turns.qsize)


@case("process")
def script_pages_asked_of_a_server_of_ours() -> Case:
    """A server on a thread of this process numbers what it is asked."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = str(len(asked)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: Any) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]

    def work(item: int) -> str:
        compute(item)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{item}") as answer:
            return answer.read().decode()

    return Case(work, range(60), left=lambda: asked)


@case("process")
def script_pipe_between_items() -> Case:
    """What one item puts into a pipe the next takes out."""
    reader, writer = os.pipe()
    os.write(writer, b"0000")

    def work(item: int) -> int:
        compute(item)
        number = int(os.read(reader, 4)) + 1
        os.write(writer, b"%04d" % number)
        return number

    return Case(work, range(N), left=lambda: os.read(reader, 4))


@case("process")
def script_error_handler_that_counts() -> Case:
    """A handler of encodings counts what could not be encoded."""
    bad: list[str] = []

    def handler(error: Any) -> tuple[str, int]:
        bad.append(error.object[error.start])
        return f"<{len(bad)}>", error.end

    codecs.register_error("script-count", handler)

    def work(item: int) -> bytes:
        compute(item)
        text = f"{item}\u00e9" if item % 3 == 0 else str(item)
        return text.encode("ascii", "script-count")

    return Case(work, range(N), left=lambda: len(bad))


@case("process")
def script_opener_for_all() -> Case:
    """A rare item installs an opener for all of urllib."""

    def work(item: int) -> int:
        if item == 90:
            opener = urllib.request.build_opener()
            opener.addheaders = [("User-agent", "script")]
            urllib.request.install_opener(opener)
        return compute(item)

    def left() -> Any:
        opener = urllib.request._opener  # type: ignore[attr-defined]
        return opener and opener.addheaders

    return Case(work, range(N), left=left)


@case("process")
def script_domain_of_texts() -> Case:
    """The domain of translations follows the item."""

    def work(item: int) -> str:
        value = compute(item)
        gettext.textdomain(f"script{item // 50}")
        return f"{gettext.gettext('word')} {value}"

    return Case(work, range(N), left=gettext.textdomain)


@case("process")
def script_calls_profiled() -> Case:
    """A profiler of the caller runs the function."""
    profiler = cProfile.Profile()

    def work(item: int) -> int:
        return profiler.runcall(compute, item)

    def left() -> Any:
        stats = pstats.Stats(profiler, stream=io.StringIO())
        return [calls[0] for place, calls in stats.stats.items() if place[2] == "compute"]

    return Case(work, range(N), left=left)


@case("process")
def script_hook_of_what_cannot_be_raised() -> Case:
    """A ``__del__`` raises for rare items, and a hook counts it."""
    seen: list[str] = []
    sys.unraisablehook = lambda what: seen.append(type(what.exc_value).__name__)

    class Bad:
        def __del__(self) -> None:
            raise LookupError

    def work(item: int) -> int:
        if item % 40 == 39:
            Bad()
        return compute(item)

    return Case(work, range(N), left=lambda: seen)


@case("process")
def script_tokens_of_a_semaphore() -> Case:
    """The first five items of all get a token."""
    tokens = threading.Semaphore(5)

    def work(item: int) -> bool:
        compute(item)
        return tokens.acquire(blocking=False)

    return Case(work, range(N), left=lambda: tokens.acquire(blocking=False))


@case("process")
def script_event_that_ends_the_search() -> Case:
    """An event is set once something was found."""
    found = threading.Event()

    def work(item: int) -> str:
        if found.is_set():
            return "-"
        value = compute(item)
        if item == 55:
            found.set()
        return str(value)

    return Case(work, range(N), left=found.is_set)


@case("process")
def script_pool_of_one_thread_that_writes() -> Case:
    """A pool of one thread, which the caller owns, appends."""
    pool = ThreadPoolExecutor(1)
    lines: list[int] = []

    def work(item: int) -> int:
        value = compute(item)
        pool.submit(lines.append, item)
        return value

    def left() -> list[int]:
        pool.shutdown()
        return lines

    return Case(work, range(N), left=left)


@case("process")
def script_worker_thread_behind_a_queue() -> Case:
    """A thread of the caller numbers what comes through a queue."""
    asked: queue.Queue[Any] = queue.Queue()

    def serve() -> None:
        for number in range(10 * N):
            asked.get().put(number)

    threading.Thread(target=serve, daemon=True).start()

    def work(item: int) -> int:
        compute(item)
        answer: queue.Queue[int] = queue.Queue()
        asked.put(answer)
        return answer.get(timeout=20)

    return Case(work, range(N))


@case("process")
def script_interpreter_with_variables() -> Case:
    """Lines are run by an interpreter object that keeps variables."""
    variables: dict[str, Any] = {"total": 0}
    interpreter = code.InteractiveInterpreter(variables)

    def work(item: int) -> Any:
        compute(item)
        interpreter.runsource(f"total = total * 3 % 1009 + {item}")
        return variables["total"]

    return Case(work, range(N), left=lambda: variables["total"])


@case("process")
def script_frame_globals_by_hand() -> Case:
    """A number is kept in the globals of the frame."""

    def work(item: int) -> int:
        compute(item)
        names = sys._getframe().f_globals
        names["_script_number"] = names.get("_script_number", 0) + 1
        return int(names["_script_number"])

    return Case(work, range(N), left=lambda: globals().get("_script_number"))


@case("process")
def script_two_sockets_of_a_pair() -> Case:
    """Length and text over a pair of sockets, taken at the end."""
    here, there = socket.socketpair()

    def work(item: int) -> int:
        value = compute(item)
        here.sendall(b"%03d;" % item)
        return value

    return Case(work, range(N), left=lambda: there.recv(65536))


@case("random")
def script_seed_of_all_by_item() -> Case:
    """Both global generators are seeded by the item; what is left is that of the last."""
    import numpy as np

    def work(item: int) -> float:
        random.seed(item)
        np.random.seed(item)
        compute(item)
        return random.random() + float(np.random.rand())

    return Case(work, range(N), left=lambda: (random.random(), float(np.random.rand())))


@case("random")
def script_hand_dealt_from_a_deck() -> Case:
    """A generator and a deck of a game in a dictionary."""
    game: dict[str, Any] = {"rng": random.Random(3), "deck": list(range(3 * N))}

    def work(item: int) -> list[int]:
        compute(item)
        return [game["deck"].pop(game["rng"].randrange(len(game["deck"]))) for _ in range(2)]

    return Case(work, range(N), left=lambda: len(game["deck"]))


@case("random")
def script_seeds_spawned() -> Case:
    """A seed sequence spawns a child for each item."""
    import numpy as np

    root = np.random.SeedSequence(5)

    def work(item: int) -> float:
        compute(item)
        return float(np.random.default_rng(root.spawn(1)[0]).random())

    return Case(work, range(N), left=lambda: root.n_children_spawned)


@case("random")
def script_points_of_a_quasi_random_sequence() -> Case:
    """A Halton engine gives the next point."""
    from scipy.stats import qmc

    engine = qmc.Halton(d=2, scramble=False)

    def work(item: int) -> list[float]:
        compute(item)
        return engine.random(1)[0].round(6).tolist()

    return Case(work, range(N), left=lambda: engine.num_generated)


@case("random")
def script_distribution_with_its_own_state() -> Case:
    """A frozen distribution with a generator of its own."""
    import numpy as np
    from scipy import stats

    law = stats.norm(3, 2)
    law.random_state = np.random.RandomState(11)

    def work(item: int) -> float:
        compute(item)
        return round(float(law.rvs()), 9)

    return Case(work, range(N), left=lambda: round(float(law.rvs()), 9))


@case("process")
def script_names_by_weak_references() -> Case:
    """Objects that are alive are counted through a weak set."""
    alive: weakref.WeakSet[Any] = weakref.WeakSet()
    kept: list[Any] = []

    class Job:
        pass

    def work(item: int) -> int:
        job = Job()
        alive.add(job)
        if item % 2:
            kept.append(job)
        compute(item)
        return len(alive)

    return Case(work, range(N), left=lambda: len(alive))


@case("process")
def script_library_limits_threads() -> Case:
    """A rare item sets how many threads BLAS may use."""
    import numpy as np
    import threadpoolctl

    np.dot(np.ones((4, 4)), np.ones((4, 4)))

    def work(item: int) -> int:
        if item == 80:
            threadpoolctl.threadpool_limits(2)
        return compute(item)

    return Case(
        work,
        range(N),
        left=lambda: sorted({i["num_threads"] for i in threadpoolctl.threadpool_info()}),
    )


@case("process")
def script_message_queue_in_process() -> Case:
    """Messages over ZeroMQ within the process."""
    import zmq

    context = zmq.Context()
    pull = context.socket(zmq.PULL)
    pull.bind("inproc://script")
    push = context.socket(zmq.PUSH)
    push.connect("inproc://script")

    def work(item: int) -> int:
        value = compute(item)
        push.send_string(str(item))
        return value

    def left() -> list[str]:
        found = []
        while pull.poll(50):
            found.append(pull.recv_string())
        return found

    return Case(work, range(N), left=left)
