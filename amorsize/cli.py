"""The command line: the only place that prints, reads the environment and sets exit codes.

::

    words --parse--> options --read_items--> items --stream--> results --> JSON lines
                        |                                ^        |
                        +-----------load-----------> function     +------> lines of the job log

Everything that can go wrong for a user is a :class:`Stop`: one line on standard error and a code.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import deque
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any, NoReturn, TextIO

OK, ITEM_FAILED, USAGE, NO_FUNCTION = 0, 1, 2, 3
INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""
BROKEN_PIPE = 141
"""128 + SIGPIPE: the reader of the results went away; nothing is said."""
INTERRUPT_SECONDS = 2.0
"""After Ctrl-C, how long items that run on threads may take to end: nothing can stop a thread but
the end of the program."""
READ_BYTES = 1 << 16
"""One read of an input file: what a pipe of Linux holds at most."""
SHOWN_CHARACTERS = 80
"""Of an item in a message."""
BACKENDS = ("auto", "serial", "threads", "processes", "fork", "spawn")
"""For the completion; the engine has the say (a test holds the two together)."""

EXIT_CODES = """\
exit codes:
  0    everything was done
  1    an item failed: its function raised, its worker died, or JSON cannot hold its result
  2    wrong usage, or a file that cannot be read or written
  3    the module or the function cannot be loaded
  130  interrupted (Ctrl-C)
  141  the reader of the output went away (as in `| head`)
"""

RUN_TEXT = """\
Run a function over items, as fast as this machine can, and write each result as a line of JSON,
in the order of the items. The directory that you are in can be imported from.

Items given as text (ITEM, --input, --glob) stay text unless --json-items is given. A result that
JSON cannot hold is a failure of that item, which names its type; --repr writes its repr() as a
JSON text instead. As always in Python's JSON, tuples become arrays and keys that are numbers
become text.
"""

RUN_EPILOG = """\
on-error:
  raise    stop at the first failure (default)
  skip     leave out the line of an item that failed
  collect  write {"error": {"index": 3, "type": "ValueError", "message": "..."}} in its place

job log: tab separated, one line for each item that ended, in the order of the items:
  Seq      position of the item, from 1
  Start    seconds since 1970 when the function was called, by the clock of where it ran
  Runtime  seconds that the call took
  Exitval  0, or 1 when the item failed
  Item     as JSON
Start and Runtime are "-" where they are not known: the worker died, or the exception could not
carry them. Items that were never begun, or not finished when the run stopped, have no line.

"""

PLAN_TEXT = """\
Measure the first items, decide how to run the rest, and print the decision with its reasons.

The items used for measuring really run (a few, for some milliseconds), with all their side effects.
`amorsize run --dry-run` runs nothing, and knows less.
"""


class Stop(Exception):
    """The end of the program: one line for standard error and an exit code."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code, self.message = code, message


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line with the words ``argv``; the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    before = _watch_interrupts()
    try:
        try:
            code = _dispatch(words)
            sys.stdout.flush()
            return code
        except BrokenPipeError:
            _close_stdout()
            return BROKEN_PIPE
    except Stop as stop:
        return _say(stop.message, stop.code)
    except KeyboardInterrupt:
        return _say("interrupted", INTERRUPTED)
    finally:
        _unwatch_interrupts(before)


def _watch_interrupts() -> Any:
    """Let Ctrl-C end the program soon, whatever runs; what handled it before, None when nothing
    changed (it is ignored, as under nohup, or this is not the main thread)."""
    import signal

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return None
    try:
        return signal.signal(signal.SIGINT, _interrupt)
    except ValueError:
        return None


def _unwatch_interrupts(before: Any) -> None:
    import signal

    if before is not None:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGINT, before)


def _interrupt(*_: object) -> NoReturn:
    """Ctrl-C: the run is to end in good order, and if it cannot, the program ends all the same."""
    import signal

    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, _leave)
        signal.setitimer(signal.ITIMER_REAL, INTERRUPT_SECONDS)
    raise KeyboardInterrupt


def _leave(*_: object) -> NoReturn:
    """Helper processes see the end of their pipe and follow."""
    os._exit(_say("interrupted", INTERRUPTED))


def _say(message: str, code: int) -> int:
    if message and sys.stderr is not None:
        with suppress(OSError):  # nobody is left to be told
            print(f"amorsize: {message}", file=sys.stderr, flush=True)
    return code


def _close_stdout() -> None:
    """Let the interpreter flush its buffers into nothing when it ends."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)


def _dispatch(words: list[str]) -> int:
    parser, commands = make_parser()
    if not words or words[0] not in commands:
        parser.parse_args(words)  # --help, --version, or an error that lists the commands
        parser.error("a command is missing: " + ", ".join(commands))
    command, rest = words[0], words[1:]
    tail: list[str] = []
    if "--" in rest:
        cut = rest.index("--")
        rest, tail = rest[:cut], rest[cut + 1 :]
    # Intermixed: options may stand before, between and after the items.
    options = commands[command].parse_intermixed_args(rest)
    if command in ("run", "plan"):
        named = ([] if options.target is None else [options.target]) + options.items + tail
        if not named:
            commands[command].error("MODULE:FUNCTION is missing")
        options.target, options.items = named[0], named[1:]
    elif tail:
        commands[command].error(f"unrecognized arguments: {' '.join(tail)}")
    run: Callable[[argparse.Namespace], int] = options.run
    return run(options)


# -- the words -----------------------------------------------------------------------------------


def make_parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The parser of the program, and that of each command."""
    parser = argparse.ArgumentParser(
        prog="amorsize",
        description="Run a function over data as fast as this machine can.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", nargs=0, action=_Version, help="print the version")
    group = parser.add_subparsers(metavar="COMMAND", title="commands")

    def command(
        name: str, run: Callable[[argparse.Namespace], int], short: str, text: str, epilog: str
    ) -> argparse.ArgumentParser:
        made = group.add_parser(
            name,
            help=short,
            description=text,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        made.set_defaults(run=run)
        return made

    usage = "amorsize {} MODULE:FUNCTION [ITEM ...] [options]"
    run = command(
        "run", run_command, "run a function over items", RUN_TEXT, RUN_EPILOG + EXIT_CODES
    )
    run.usage = usage.format("run")
    _add_items(run)
    _add_engine(run)
    _add_results(run)
    plan = command("plan", plan_command, "decide, and say why", PLAN_TEXT, EXIT_CODES)
    plan.usage = usage.format("plan")
    _add_items(plan)
    _add_engine(plan)
    plan.add_argument("--json", action="store_true", help="print the plan as JSON")
    text = (
        "Print what this process may use of this machine, what starting workers costs, and advice."
    )
    doctor = command("doctor", doctor_command, "what this machine offers", text, EXIT_CODES)
    doctor.add_argument("--json", action="store_true", help="print it as JSON")
    text = (
        'Print a completion script: bash, zsh: eval "$(amorsize completion SHELL)"; fish: | source.'
    )
    completion = command("completion", completion_command, "for your shell", text, EXIT_CODES)
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))
    return parser, dict(group.choices)


class _Version(argparse.Action):
    """``--version``: looked up only when it is asked for."""

    def __call__(self, *_: object) -> NoReturn:
        from amorsize import __version__

        print(f"amorsize {__version__}")
        raise SystemExit(OK)


def _add_items(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", nargs="?", metavar="MODULE:FUNCTION", help="what to call")
    items = parser.add_argument_group("items (one kind)")
    items.add_argument(
        "items", nargs="*", metavar="ITEM", help="the items themselves (after --: any text)"
    )
    items.add_argument(
        "--input",
        metavar="FILE",
        help="one item a line; - is standard input; read as the run goes, never whole",
    )
    items.add_argument(
        "--jsonl",
        action="store_true",
        help="the lines of --input are JSON (as by the suffix .jsonl); empty ones are left out",
    )
    items.add_argument(
        "--glob",
        metavar="PATTERN",
        action="append",
        default=[],
        help="the paths that match, sorted; ** goes into directories; may be given again",
    )
    items.add_argument("--range", metavar="[A:]B[:STEP]", help="the numbers from A (or 0) to B - 1")
    items.add_argument("--json-items", action="store_true", help="each text is JSON: 3 is a number")


def _add_engine(parser: argparse.ArgumentParser) -> None:
    how = parser.add_argument_group("how (chosen for you unless given)")
    how.add_argument("-j", "--jobs", metavar="N", type=_number, help="most workers; -1: all cores")
    how.add_argument("--backend", metavar="NAME[,NAME]", help="allowed: " + ", ".join(BACKENDS))
    how.add_argument("--chunksize", metavar="N", type=_number, help="items handed over at once")
    how.add_argument("--on-error", choices=("raise", "skip", "collect"), default="raise")


def _add_results(parser: argparse.ArgumentParser) -> None:
    results = parser.add_argument_group("results")
    results.add_argument(
        "--output", metavar="FILE", help="write results there, not to standard output"
    )
    results.add_argument("--repr", action="store_true", help="write what JSON cannot hold as text")
    results.add_argument("--progress", action="store_true", help="a bar on standard error")
    results.add_argument("--joblog", metavar="FILE", help="one line for each item; see below")
    results.add_argument("--traceback", action="store_true", help="show where the function raised")
    results.add_argument(
        "--dry-run",
        action="store_true",
        help="print the items, and on standard error what can be said without running one",
    )


def _number(text: str) -> int | str:
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a whole number nor 'auto'") from None


# -- the function --------------------------------------------------------------------------------


def load(target: str) -> Callable[[Any], Any]:
    """The function that ``MODULE:FUNCTION`` names; FUNCTION may be dotted (``Class.method``)."""
    module_name, colon, path = target.partition(":")
    if not colon or not module_name or not path:
        raise Stop(USAGE, f"{target!r} is not of the form MODULE:FUNCTION, as in math:sqrt")
    if "" not in sys.path:
        sys.path.insert(0, "")
    found: Any
    try:
        from importlib import import_module

        found = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name + ".").startswith(error.name + "."):
            raise Stop(NO_FUNCTION, f"there is no module named {error.name!r}") from None
        raise Stop(NO_FUNCTION, f"module {module_name!r} cannot be imported: {error}") from None
    except (Exception, SystemExit) as error:
        raise Stop(
            NO_FUNCTION, f"module {module_name!r} cannot be imported: {_describe(error)}"
        ) from None
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise Stop(
                NO_FUNCTION, f"module {module_name!r} has no {path!r}{_similar(name, found)}"
            ) from None
    if not callable(found):
        raise Stop(NO_FUNCTION, f"{target} is not a function but of type {type(found).__name__}")
    function: Callable[[Any], Any] = found
    return function


def _similar(name: str, where: object) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, dir(where), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _describe(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


# -- the items -----------------------------------------------------------------------------------


def read_items(options: argparse.Namespace) -> Iterable[Any]:
    """The items that the options name: a list or range, or an iterator that reads a file."""
    kinds = [
        name
        for name, given in (
            ("ITEM", bool(options.items)),
            ("--input", options.input is not None),
            ("--glob", bool(options.glob)),
            ("--range", options.range is not None),
        )
        if given
    ]
    if len(kinds) != 1:
        found = " and ".join(kinds) if kinds else "none"
        raise Stop(
            USAGE, f"one kind of items is needed (ITEM, --input, --glob, --range), not {found}"
        )
    if options.jsonl and options.input is None:
        raise Stop(
            USAGE, "--jsonl says what --input holds; for ITEM and --glob there is --json-items"
        )
    if options.range is not None:
        return _parse_range(options.range)
    if options.input is not None:
        as_json = options.jsonl or options.json_items or options.input.endswith(".jsonl")
        return _read_file(options.input, as_json)
    texts: list[str] = options.items or _matching(options.glob)
    if not options.json_items:
        return texts
    return [_parse_json(text, f"item {index}") for index, text in enumerate(texts)]


def _parse_range(text: str) -> range:
    try:
        numbers = [int(part) for part in text.split(":")]
        return range(*numbers)
    except (ValueError, TypeError):
        raise Stop(USAGE, f"--range {text}: must be N, A:B or A:B:STEP in whole numbers") from None


def _matching(patterns: list[str]) -> list[str]:
    from glob import glob

    found: list[str] = []
    for pattern in patterns:
        paths = sorted(glob(pattern, recursive=True))
        if not paths:
            raise Stop(USAGE, f"--glob {pattern}: nothing matches")
        found += paths
    return found


def _parse_json(text: str, where: str) -> Any:
    from json import loads

    try:
        return loads(text)
    except ValueError as error:
        raise Stop(USAGE, f"{where} is not JSON ({error}): {_short(text)}") from None


def _read_file(path: str, as_json: bool) -> Iterator[Any]:
    """The lines of a file; it is opened now and read later."""
    if path == "-":
        return _read_lines(0, "standard input", as_json)
    try:
        descriptor = os.open(path, os.O_RDONLY)
        os.read(descriptor, 0)  # a directory opens, and cannot be read
    except OSError as error:
        raise Stop(USAGE, f"{path} cannot be read: {error.strerror}") from None
    return _read_lines(descriptor, path, as_json)


def _read_lines(descriptor: int, name: str, as_json: bool) -> Iterator[Any]:
    """Lines as they come, without their ends; memory for one read and the longest line.

    By ``os.read`` and not through a file object: a line is there as soon as it was written, and the
    thread that waits for one holds no lock that the end of the interpreter would need. Bytes that
    are not UTF-8 survive as Python's file names do (surrogateescape)."""
    number = 0
    parts: list[bytes] = []
    try:
        while True:
            try:
                block = os.read(descriptor, READ_BYTES)
            except OSError as error:
                raise Stop(USAGE, f"{name} cannot be read: {error.strerror}") from None
            lines = block.split(b"\n")
            if len(lines) > 1:
                lines[0] = b"".join([*parts, lines[0]])
                parts = []
            if lines[-1]:
                parts.append(lines[-1])
            ready = lines[:-1]
            if not block and parts:
                ready = [b"".join(parts)]
            for line in ready:
                number += 1
                text = line.removesuffix(b"\r").decode(errors="surrogateescape")
                if not as_json:
                    yield text
                elif text.strip():
                    yield _parse_json(text, f"{name}, line {number}")
            if not block:
                return
    finally:
        if descriptor:
            os.close(descriptor)


class _Remembered:
    """Hands items on and keeps those whose results are not out yet, to name them.

    One thread takes items, another asks: both ends of a deque are safe for that."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = iter(items)
        self._kept: deque[Any] = deque()
        self._first = 0

    def __iter__(self) -> _Remembered:
        return self

    def __next__(self) -> Any:
        item = next(self._items)
        self._kept.append(item)
        return item

    def close(self) -> None:
        close = getattr(self._items, "close", None)
        if close is not None:
            close()

    def pop(self) -> Any:
        """The item of the next result."""
        self._first += 1
        return self._kept.popleft()

    def get(self, index: int) -> Any:
        """The item at ``index``; one that is out already cannot be asked for."""
        return self._kept[index - self._first]


class _Listed:
    """As :class:`_Remembered`, for items that can be indexed: nothing need be kept."""

    def __init__(self, items: Sequence[Any]) -> None:
        self._items = items
        self._next = 0

    def pop(self) -> Any:
        self._next += 1
        return self._items[self._next - 1]

    def get(self, index: int) -> Any:
        return self._items[index]


# -- run -----------------------------------------------------------------------------------------


def run_command(options: argparse.Namespace) -> int:
    """``amorsize run``."""
    function = load(options.target)
    items = read_items(options)
    if options.dry_run:
        return _dry_run(options, function, items)
    keywords = _engine_options(options)
    # The places of skipped items must be seen, to count and log them.
    keywords["on_error"] = "raise" if options.on_error == "raise" else "collect"
    keywords["progress"] = options.progress
    with _open_output(options.output) as output, _open_log(options.joblog) as log:
        run = _Run(options, output, log)
        return run(function, items, keywords)


class _Run:
    """One run of a function over items, its results written as they come."""

    def __init__(self, options: argparse.Namespace, output: TextIO, log: TextIO | None) -> None:
        from json import JSONEncoder

        self.on_error: str = options.on_error
        self.as_repr: bool = options.repr
        self.traceback: bool = options.traceback
        self.output, self.log = output, log
        self.failed = 0
        self._encode = JSONEncoder(allow_nan=False).encode

    def __call__(
        self, function: Callable[[Any], Any], items: Iterable[Any], keywords: dict[str, Any]
    ) -> int:
        from amorsize import stream
        from amorsize.errors import ItemError, OptionError

        known: _Listed | _Remembered
        known = _Listed(items) if isinstance(items, (list, range)) else _Remembered(items)
        data = known if isinstance(known, _Remembered) else items
        called = function if self.log is None else Timed(function)
        index = -1
        try:
            results: Any = stream(called, data, **keywords)
        except OptionError as error:
            raise Stop(USAGE, str(error)) from None
        try:
            for index, result in enumerate(results):
                item = known.pop()
                if isinstance(result, ItemError):
                    self._fail(index, item, result.exception, result.traceback)
                    continue
                times: tuple[float, float] | None = None
                if self.log is not None:
                    *times, result = result
                self._write(index, item, result, times)
        except (Stop, KeyboardInterrupt, BrokenPipeError):
            raise
        except OptionError as error:
            raise Stop(USAGE, str(error)) from None
        except BaseException as error:
            at = index_of(error)
            if at is None:
                if self.traceback:
                    sys.stderr.write(_traceback_text(error))
                raise Stop(ITEM_FAILED, _describe(error) + _origin(error)) from None
            self._fail(at, known.get(at), error, _traceback_text(error))
        finally:
            results.close()
        if self.failed:
            done = "left out" if self.on_error == "skip" else "written as errors"
            raise Stop(ITEM_FAILED, f"{self.failed} of {index + 1} items failed and were {done}")
        return OK

    def _write(self, index: int, item: Any, result: Any, times: Any) -> None:
        try:
            text = self._encode(result)
        except (TypeError, ValueError, RecursionError) as error:
            if not self.as_repr:
                problem = f"JSON cannot hold its result of type {type(result).__qualname__}"
                way_out = "--repr writes it as text"
                self._fail(index, item, TypeError(f"{problem} ({error}); {way_out}"), "", times)
                return
            text = self._encode(repr(result))
        self._put(self.output, text)
        self._log(index, item, times, failed=False)

    def _fail(
        self, index: int, item: Any, error: BaseException, traceback: str, times: Any = None
    ) -> None:
        """An item failed: stop, or go on without it."""
        self.failed += 1
        self._log(index, item, times or getattr(error, TIMES, None), failed=True)
        if self.traceback and traceback:
            sys.stderr.write(traceback)
        if self.on_error == "raise":
            raise Stop(ITEM_FAILED, f"item {index} ({_short(item)}): {_describe(error)}")
        if self.on_error == "collect":
            what = {"index": index, "type": type(error).__qualname__, "message": str(error)}
            self._put(self.output, self._encode({"error": what}))

    def _log(self, index: int, item: Any, times: Any, *, failed: bool) -> None:
        if self.log is None:
            return
        start, seconds = (f"{times[0]:.3f}", f"{times[1]:.6f}") if times else ("-", "-")
        self._put(self.log, f"{index + 1}\t{start}\t{seconds}\t{int(failed)}\t{_as_json(item)}")

    def _put(self, file: TextIO, line: str) -> None:
        try:
            file.write(line + "\n")
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Stop(USAGE, f"{file.name} cannot be written: {error.strerror}") from None


TIMES = "__amorsize_times__"
"""Attribute that carries (start, seconds) of a call that raised."""


class Timed:
    """Calls a function and says when and how long: (start, seconds, result)."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.__wrapped__ = function

    def __call__(self, item: Any) -> tuple[float, float, Any]:
        from time import perf_counter, time

        start, began = time(), perf_counter()
        try:
            result = self.__wrapped__(item)
        except Exception as error:
            with suppress(Exception):  # one without room for it: the log says "-"
                setattr(error, TIMES, (start, perf_counter() - began))
            raise
        return start, perf_counter() - began, result


def index_of(error: BaseException) -> int | None:
    """The index of the item that raised, None when no item did."""
    index = getattr(error, "index", None)
    if type(error).__module__ == "amorsize.errors" and isinstance(index, int):
        return index
    for note in getattr(error, "__notes__", ()):
        words = str(note).split()
        if words[:4] == ["amorsize:", "raised", "by", "item"]:
            return int(words[4])
    return None


def _origin(error: BaseException) -> str:
    """What the engine says about where an exception came from."""
    notes = [str(note) for note in getattr(error, "__notes__", ())]
    return "".join(
        f" ({note.partition(': ')[2]})" for note in notes if note.startswith("amorsize:")
    )


def _traceback_text(error: BaseException) -> str:
    from amorsize.backends.items import format_traceback

    return format_traceback(error)


def _as_json(item: Any) -> str:
    from json import dumps

    return dumps(item)


def _short(item: Any) -> str:
    text = repr(item)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."


def _engine_options(options: argparse.Namespace) -> dict[str, Any]:
    chosen: dict[str, Any] = {"on_error": options.on_error}
    if options.jobs is not None:
        chosen["n_jobs"] = options.jobs
    if options.backend is not None:
        names = tuple(options.backend.split(","))
        chosen["backend"] = names if len(names) > 1 else names[0]
    if options.chunksize is not None:
        chosen["chunksize"] = options.chunksize
    return chosen


class _Opened:
    """A file for the length of a ``with``; closing it says what went wrong."""

    def __init__(self, file: Any, name: str = "") -> None:
        self.file, self.name = file, name

    def __enter__(self) -> Any:
        return self.file

    def __exit__(self, kind: object, *_: object) -> None:
        if not self.name:
            return
        try:
            self.file.close()
        except OSError as error:
            if kind is None:
                raise Stop(USAGE, f"{self.name} cannot be written: {error.strerror}") from None


def _open_output(path: str | None) -> _Opened:
    """Where results go. Each line is out at once, for whoever reads along."""
    if path is None:
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        return _Opened(sys.stdout)
    return _open_file(path)


def _open_log(path: str | None) -> _Opened:
    if path is None:
        return _Opened(None)
    log = _open_file(path)
    log.file.write("Seq\tStart\tRuntime\tExitval\tItem\n")
    return log


def _open_file(path: str) -> _Opened:
    try:
        return _Opened(open(path, "w", encoding="utf-8", newline="\n", buffering=1), path)
    except OSError as error:
        raise Stop(USAGE, f"{path} cannot be written: {error.strerror}") from None


# -- what is decided -----------------------------------------------------------------------------


def _dry_run(options: argparse.Namespace, function: Callable[[Any], Any], items: Any) -> int:
    """Print the items, and what looking without running tells."""
    from itertools import chain, islice

    first = list(islice(iter(items), 3))
    rest = items[len(first) :] if isinstance(items, (list, range)) else items
    for line in _inspect(options, function, first):
        print(f"amorsize: {line}", file=sys.stderr)
    count = 0
    for item in chain(first, rest):
        print(_as_json(item))
        count += 1
    print(f"amorsize: {count:,} items; none of them was run", file=sys.stderr)
    return OK


def _inspect(
    options: argparse.Namespace, function: Callable[[Any], Any], first: list[Any]
) -> Iterator[str]:
    """What can be said about a run before it: sentences."""
    from amorsize.errors import OptionError
    from amorsize.options import make_options
    from amorsize.safety import inspect_function
    from amorsize.system import detect_machine

    try:
        checked = make_options(**_engine_options(options))
    except OptionError as error:
        raise Stop(USAGE, str(error)) from None
    machine = detect_machine()
    yield f"would call {options.target} on {machine.cores} usable cores"
    if checked.forced is not None:
        yield f"decided by --backend: {checked.forced}"
        return
    safety = inspect_function(function, first)
    reasons = {
        "stays in the caller": safety.caller_only,
        "no threads": safety.no_threads,
        "no processes": safety.no_processes,
    }
    for what, why in reasons.items():
        if why is not None:
            yield f"{what}: {why}"
    if safety.caller_only is None:
        allowed = ", ".join(sorted(checked.backends))
        yield f"to be decided while the first items run, among: {allowed}"


def plan_command(options: argparse.Namespace) -> int:
    """``amorsize plan``."""
    from amorsize import optimize
    from amorsize.errors import OptionError

    function = load(options.target)
    items = read_items(options)
    try:
        plan = optimize(function, items, **_engine_options(options))
    except OptionError as error:
        raise Stop(USAGE, str(error)) from None
    except (Stop, KeyboardInterrupt):
        raise
    except BaseException as error:
        index = index_of(error)
        where = "" if index is None else f"item {index}: "
        raise Stop(ITEM_FAILED, where + _describe(error)) from None
    if options.json:
        from json import dumps

        print(dumps(plan.to_dict(), indent=2))
    else:
        print(plan)
    return OK


# -- the machine ---------------------------------------------------------------------------------


def doctor_command(options: argparse.Namespace) -> int:
    """``amorsize doctor``."""
    from dataclasses import asdict

    from amorsize.system import advice, detect_machine, measure_costs

    machine = detect_machine()
    costs = measure_costs()
    hints = list(advice(machine))
    if options.json:
        from json import dumps

        print(
            dumps({"machine": asdict(machine), "costs": asdict(costs), "advice": hints}, indent=2)
        )
        return OK
    print("machine")
    for name, value in asdict(machine).items():
        print(f"  {name.removesuffix('_bytes').replace('_', ' '):18} {_shown(name, value)}")
    print("costs, measured now")
    for name, value in asdict(costs).items():
        print(f"  {name.replace('_', ' '):18} {_shown_cost(value)}")
    print("advice")
    for hint in hints or ["nothing to change"]:
        print(f"  {hint}")
    return OK


def _shown(name: str, value: object) -> str:
    if value is None:
        return "none" if name in ("cpu_quota", "memory_limit_bytes") else "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("_bytes") and isinstance(value, int):
        return f"{value / 2**20:,.0f} MiB"
    if isinstance(value, float):
        return f"{value:.2f}"
    return str(value)


def _shown_cost(value: object) -> str:
    from amorsize.planning import format_seconds

    return format_seconds(value) if isinstance(value, float) else str(value)


# -- completion ----------------------------------------------------------------------------------

FILES = ("--input", "--output", "--joblog")
"""Options whose value is a path."""


def completion_command(options: argparse.Namespace) -> int:
    """``amorsize completion``: made from the parser, so that it cannot fall behind."""
    _, commands = make_parser()
    make = {"bash": _bash, "zsh": _zsh, "fish": _fish}[options.shell]
    print(make(commands))
    return OK


def _flags(parser: argparse.ArgumentParser) -> Iterator[tuple[list[str], list[str], str]]:
    """Each option as (its names, the values it may have, help)."""
    for action in parser._actions:
        values = [str(choice) for choice in action.choices or ()]
        if "--backend" in action.option_strings:
            values = list(BACKENDS)
        if action.option_strings:
            yield list(action.option_strings), values, (action.help or "").replace("'", "")


def _bash(commands: dict[str, argparse.ArgumentParser]) -> str:
    words, values = [], {"completion": "bash zsh fish"}
    for name, parser in commands.items():
        flags = list(_flags(parser))
        names = " ".join(name for option, _, _ in flags for name in option)
        words.append(f'        {name}) words="{names} {values.get(name, "")}" ;;')
        for option, choices, _ in flags:
            if choices:
                values["|".join(option)] = " ".join(choices)
    before = [
        f'        {option}) COMPREPLY=($(compgen -W "{choices}" -- "$current")); return ;;'
        for option, choices in values.items()
        if option.startswith("-")
    ]
    return "\n".join(
        [
            "_amorsize() {",
            '    local current="${COMP_WORDS[COMP_CWORD]}" words',
            '    local before="${COMP_WORDS[COMP_CWORD-1]}"',
            "    COMPREPLY=()",
            '    case "$before" in',
            *before,
            f'        {"|".join(FILES)}) COMPREPLY=($(compgen -f -- "$current")); return ;;',
            "    esac",
            '    case "${COMP_WORDS[1]}" in',
            *words,
            "    esac",
            '    if [ "$COMP_CWORD" -eq 1 ]; then',
            f'        words="{" ".join(commands)} --help --version"',
            "    fi",
            '    COMPREPLY=($(compgen -W "$words" -- "$current"))',
            "}",
            "complete -o default -F _amorsize amorsize",
        ]
    )


def _zsh(commands: dict[str, argparse.ArgumentParser]) -> str:
    """The function for bash, through zsh's own bridge."""
    start = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -u -D }"
    return "\n".join([start, "autoload -Uz bashcompinit && bashcompinit", _bash(commands)])


def _fish(commands: dict[str, argparse.ArgumentParser]) -> str:
    lines = ["complete -c amorsize -f"]
    top = "__fish_use_subcommand"
    lines.append(f"complete -c amorsize -n {top} -a '{' '.join(commands)}'")
    lines.append(f"complete -c amorsize -n {top} -l help -l version")
    for name, parser in commands.items():
        inside = f"complete -c amorsize -n '__fish_seen_subcommand_from {name}'"
        for option, values, text in _flags(parser):
            line = inside
            for flag in option:
                line += f" -l {flag[2:]}" if flag.startswith("--") else f" -s {flag[1:]}"
            if values:
                line += f" -x -a '{' '.join(values)}'"
            elif option[-1] in FILES:
                line += " -r -F"
            lines.append(f"{line} -d '{text}'" if text else line)
        if name == "completion":
            lines.append(f"{inside} -a 'bash zsh fish'")
    return "\n".join(lines)
