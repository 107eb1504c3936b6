"""Things the caller holds while it calls: locks, threads, loops, connections, other processes."""

import asyncio
import http.client
import http.server
import multiprocessing
import queue
import socket
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from case import Case, case, compute, nap, release
from user_scratch import scratch


@case("held", effect=True)
def thread_of_the_caller_answers():
    """Question and answer by two queues; the thread that answers is not there after a fork."""
    questions, answers = queue.Queue(), queue.Queue()

    def serve():
        total = 0
        while (number := questions.get()) is not None:
            total += number
            answers.put(total)

    server = threading.Thread(target=serve, daemon=True)
    server.start()

    def f(x):
        compute()
        questions.put(x)
        return answers.get()

    def left():
        questions.put(None)
        server.join()
        return questions.empty(), answers.empty()

    return Case(f, range(150), left=left)


@case("held", effect=True)
def executor_of_the_caller():
    """Submits to a pool of one thread, whose tasks keep a list."""
    pool, order = ThreadPoolExecutor(1), []

    def task(x):
        order.append(x)
        return len(order)

    def f(x):
        compute()
        return pool.submit(task, x).result()

    def left():
        pool.shutdown()
        return order

    return Case(f, range(150), left=left)


@case("held", effect=True)
def lock_is_held_by_the_caller():
    """An RLock that the caller's thread has already: its own functions may enter again."""
    lock, inside = threading.RLock(), []
    lock.acquire()

    def f(x):
        nap()
        with lock:
            inside.append(x)
        return x

    def left():
        lock.release()
        return inside

    return Case(f, range(130), left=left)


@case("held", effect=True)
def permits_are_used_up():
    """A semaphore with ninety permits; nobody gives one back."""
    permits = threading.Semaphore(90)

    def f(x):
        compute()
        return permits.acquire(blocking=False)

    def left():
        return permits.acquire(blocking=False)

    return Case(f, range(150), left=left)


@case("held", effect=True)
def event_loop_of_the_caller():
    """run_until_complete on a loop that stays open, with a task that lives from call to call."""
    loop = asyncio.new_event_loop()
    inbox = asyncio.Queue()
    sums = []

    async def collect():
        while True:
            sums.append(sum(sums[-1:]) + await inbox.get())

    collector = loop.create_task(collect())

    async def send(x):
        await inbox.put(x)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return len(sums)

    def f(x):
        compute()
        return loop.run_until_complete(send(x))

    def left():
        collector.cancel()
        loop.run_until_complete(asyncio.gather(collector, return_exceptions=True))
        loop.close()
        return sums

    return Case(f, range(150), left=left)


@case("held", effect=True)
def socket_with_a_protocol():
    """A connection: sent and received bytes must not mix, and the other end keeps a state."""
    here, there = socket.socketpair()

    def serve():
        seen = 0
        with there, there.makefile("rw") as lines:
            for line in lines:
                seen += 1
                lines.write(f"{seen}:{int(line) * 2}\n")
                lines.flush()

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    lines = here.makefile("rw")

    def f(x):
        nap()
        lines.write(f"{x}\n")
        lines.flush()
        return lines.readline().strip()

    def left():
        lines.close()
        here.close()
        server.join()
        return "closed"

    return Case(f, range(130), left=left)


@case("held", effect=True)
def session_with_a_web_server():
    """Kept alive: one HTTP connection, and the server counts."""
    paths = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self):
            paths.append(self.path)
            body = f"{len(paths)}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    client = http.client.HTTPConnection("127.0.0.1", server.server_port)

    def f(x):
        compute()
        client.request("GET", f"/{x}")
        return client.getresponse().read().decode()

    def left():
        client.close()
        server.shutdown()
        server.server_close()
        return paths

    return Case(f, range(130), left=left)


@case("held", effect=True)
def other_program_asked_line_by_line():
    """A child process is kept and asked through its pipes; it remembers."""
    program = (
        "import sys\n"
        "total = 0\n"
        "for line in sys.stdin:\n"
        "    total += int(line)\n"
        "    print(total, flush=True)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )

    def f(x):
        compute()
        child.stdin.write(f"{x}\n")
        return int(child.stdout.readline())

    def left():
        child.communicate()
        return child.returncode

    return Case(f, range(130), left=left)


@case("held", effect=True)
def transaction_is_open():
    """The caller will commit or roll back: its connection alone sees what is not yet written."""
    path = scratch() / "base.sqlite"
    base = sqlite3.connect(path, check_same_thread=False)
    base.execute("create table t (x integer)")
    base.commit()

    def f(x):
        compute()
        base.execute("insert into t values (?)", (x,))
        return base.execute("select count(*) from t").fetchone()[0]

    def left():
        open_still = base.in_transaction
        base.rollback()
        return open_still, base.execute("select count(*) from t").fetchone()

    return Case(f, range(150), left=left)


@case("held", effect=True)
def number_in_shared_memory():
    """multiprocessing.Value: forked workers do see it, and draw their tickets in their own order."""
    ticket = multiprocessing.get_context("fork").Value("i", 0)

    def f(x):
        nap()
        with ticket.get_lock():
            ticket.value += 1
            return ticket.value, x

    return Case(f, range(130), left=lambda: ticket.value)


@case("held", effect=True)
def exported_buffer():
    """A bytearray cannot grow while a view of it is held; the caller holds one, then does not."""
    text = bytearray(b"start")
    view = memoryview(text)

    def f(x):
        compute()
        try:
            text.append(x % 256)
        except BufferError:
            if x == 40:
                view.release()
            return "held"
        return len(text)

    return Case(f, range(150), left=lambda: bytes(text))


@case("held", effect=True)
def event_set_for_a_waiting_thread():
    """A thread of the caller waits for an event that one of the items sets."""
    go, woken = threading.Event(), []

    def wait():
        go.wait(20)
        woken.append("woken")

    waiter = threading.Thread(target=wait, daemon=True)
    waiter.start()

    def f(x):
        release()
        if x == 100:
            go.set()
            waiter.join()
        return len(woken)

    return Case(f, range(150), left=lambda: (go.is_set(), woken))
