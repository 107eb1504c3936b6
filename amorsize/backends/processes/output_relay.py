"""What a worker says beside its results: log records, warnings and output, once, in the caller.

::

    worker: Logger.handle, warnings.showwarning --frame, before the result--> caller: the same again
            sys.stdout, sys.stderr: whole lines to the descriptor, or as frames to a stream without one

Handlers and filters run in the caller, where the user has set them up; those that a worker inherited
keep silent, those that its initializer or the function adds there take the record instead. Nothing is
imported here for it: a worker that has not loaded ``logging`` is looked after when it does.
"""

from __future__ import annotations

import io
import os
import sys
from _thread import get_ident

from amorsize.backends.processes.protocol import flush_output
from amorsize.errors import text_of
from amorsize.items.pickling import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Tell = Callable[[tuple[Any, ...]], None]

ATOMIC_BYTES = 4096
"""A pipe takes so many bytes at once or none (PIPE_BUF of Linux): such a line stays whole."""
LONGEST_HELD_BYTES = 1 << 16
"""A line that is longer goes out in pieces."""
SIMPLE = (str, int, float, bool, type(None))
"""Types that mean the same in every process."""

_tell: Tell | None = None
_pid = 0
_inherited: list[Any] = []
"""Handlers that were there before the worker began: those of the caller."""
_levels: dict[str, Any] | None = None
_ours: dict[str, Any] = {}
"""The standard streams of this worker by name."""


# -- in a worker ---------------------------------------------------------------------------------------


def start(tell: Tell, settings: dict[str, Any] | None = None) -> None:
    """From now on what this process says goes to the caller; ``settings`` of a spawned one."""
    global _tell, _pid, _levels
    again, _tell, _pid = _pid == os.getpid(), tell, os.getpid()
    settings = settings or {}
    _levels = settings.get("levels")
    missing = []
    for name, take in (("logging", _take_logging), ("warnings", _take_warnings)):
        if name in sys.modules:
            take()
        else:
            missing.append((name, take))
    if missing and not again:
        sys.meta_path.insert(0, _Watch(dict(missing)))
    if settings.get("filters") and "warnings" in sys.modules:
        _set_filters(settings["filters"])
    if not again and hasattr(os, "register_at_fork"):
        os.register_at_fork(before=flush)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        _take_stream(name, descriptor if settings else None, name in settings.get("forward", ()))


def stop() -> None:
    """The run is over: what is said now goes to no caller."""
    global _tell
    finish()
    _tell = None


def flush() -> None:
    """Send out what has been printed: whole lines, and by frame whatever this thread has begun."""
    flush_output()
    for text in _ours.values():
        if not text.closed and text.buffer.descriptor < 0:
            text.buffer.finish(get_ident())


def finish() -> None:
    """The same at the end, lines without an end, too."""
    flush()
    for text in _ours.values():
        if not text.closed:
            text.buffer.finish()


def _is_ours() -> bool:
    """Whether this is the worker, in a run, and no process that its function has forked."""
    return _tell is not None and os.getpid() == _pid


def _take_logging() -> None:
    import logging

    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    found = [one for one in loggers if isinstance(one, logging.Logger)]
    _inherited[:] = [handler for one in found for handler in one.handlers]
    if _levels is not None:
        logging.disable(_levels["disable"])
        for one in found:
            one.setLevel(_levels["loggers"].get(one.name, logging.NOTSET))
        for name, level in _levels["loggers"].items():
            logging.getLogger(name).setLevel(level)
    usual = logging.Logger.handle
    if getattr(usual, "of_amorsize", False):
        return

    def handle(self: logging.Logger, record: logging.LogRecord) -> None:
        if not _is_ours():
            usual(self, record)
            return
        own = _own_handlers(self)
        if not own:
            assert _tell is not None
            _tell(("log", _portable_record(record)))
        elif not self.disabled and self.filter(record):
            for handler in own:
                if record.levelno >= handler.level:
                    handler.handle(record)

    handle.of_amorsize = True  # type: ignore[attr-defined]
    logging.Logger.handle = handle  # type: ignore[method-assign]


def _own_handlers(logger: Any) -> list[Any]:
    """Handlers that were set up in this worker, for records of this logger."""
    import logging

    found: list[Any] = []
    while logger is not None:
        found += [
            handler
            for handler in logger.handlers
            if not any(handler is other for other in _inherited)
            and not isinstance(handler, logging.NullHandler)
        ]
        logger = logger.parent if logger.propagate else None
    return found


def _portable_record(record: Any) -> dict[str, Any]:
    """A record's attributes in a form that every process can read."""
    found = dict(vars(record))
    args = record.args if isinstance(record.args, tuple) else (record.args,)
    if not isinstance(record.msg, str) or not all(isinstance(arg, SIMPLE) for arg in args):
        try:
            found["msg"] = record.getMessage()
        except Exception:  # it does not fit its arguments
            found["msg"] = f"{text_of(record.msg)} {text_of(record.args)}"
        found["args"] = None
    if record.exc_info and not record.exc_text:
        import traceback

        found["exc_text"] = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
    found["exc_info"] = None
    found["processName"] = f"amorsize-{os.getpid()}"
    for name, value in found.items():
        if name != "args" and not isinstance(value, SIMPLE):
            found[name] = text_of(value)
    return found


def _take_warnings() -> None:
    import warnings

    def show(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, *rest: Any
    ) -> None:
        if not _is_ours():
            text = warnings.formatwarning(message, category, filename, lineno)
            sys.stderr.write(text)
            return
        assert _tell is not None
        _tell(("warning", _packed(message), category.__name__, text_of(message), filename, lineno))

    warnings.showwarning = show  # type: ignore[assignment]


def _packed(message: object) -> bytes | None:
    """The warning itself, where it can travel."""
    import pickle

    try:
        body = dumps(message)
        return body if type(pickle.loads(body)) is type(message) else None  # nosec B301 # ours
    except Exception:
        return None


def _set_filters(body: bytes) -> None:
    import pickle
    import warnings

    try:
        found = pickle.loads(body)  # nosec B301 # of our caller
    except Exception:  # a category that cannot be found here
        return
    warnings.resetwarnings()
    warnings.filters.extend(found)  # type: ignore[attr-defined]


class _Watch:
    """First of the finders: looks after modules when they are imported; finds nothing itself."""

    def __init__(self, wanted: dict[str, Callable[[], None]]) -> None:
        self.wanted = wanted

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        take = self.wanted.pop(name, None)
        if take is None:
            return None
        for finder in sys.meta_path:
            if finder is not self and (spec := finder.find_spec(name, path, target)) is not None:
                if spec.loader is not None:
                    _call_after(spec.loader, take)
                return spec
        return None


def _call_after(loader: Any, take: Callable[[], None]) -> None:
    """Have ``take`` called when the module has been executed (a loader is of one module)."""
    usual = loader.exec_module

    def exec_module(module: Any) -> None:
        del loader.exec_module
        usual(module)
        take()

    loader.exec_module = exec_module


# -- output --------------------------------------------------------------------------------------------


class Lines(io.BufferedIOBase):
    """Takes bytes from any thread and puts them out in whole lines."""

    def __init__(self, put: Callable[[bytes], None], descriptor: int) -> None:
        self.put, self.descriptor = put, descriptor
        self.held: dict[int, bytearray] = {}
        """Thread -> the beginning of a line."""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        if self.descriptor < 0:
            raise io.UnsupportedOperation("fileno")
        return self.descriptor

    def isatty(self) -> bool:
        return self.descriptor >= 0 and os.isatty(self.descriptor)

    def write(self, data: Any) -> int:
        held = self.held.setdefault(get_ident(), bytearray())
        held += data
        end = max(held.rfind(b"\n"), held.rfind(b"\r")) + 1
        if len(held) - end > LONGEST_HELD_BYTES:
            end = len(held)
        if end:
            lines = bytes(held[:end])
            del held[:end]
            self.put(lines)
        return len(data)

    def flush(self) -> None:
        """Whole lines have gone out; what is begun waits for its end."""

    def finish(self, thread: int | None = None) -> None:
        """Put out what no newline has ended, of all threads or of one."""
        for number, held in list(self.held.items()):
            if held and thread in (None, number):
                rest = bytes(held)
                held.clear()
                try:
                    self.put(rest)
                except OSError:  # no process reads it any more
                    pass


def _put_to(descriptor: int) -> Callable[[bytes], None]:
    def put(data: bytes) -> None:
        while data:
            cut = len(data)
            if cut > ATOMIC_BYTES:
                cut = data.rfind(b"\n", 0, ATOMIC_BYTES) + 1 or data.find(b"\n") + 1 or cut
            piece = data[:cut]
            data = data[cut:]
            while piece:
                try:
                    piece = piece[os.write(descriptor, piece) :]
                except BlockingIOError:
                    import select

                    select.select([], [descriptor], [])

    return put


def _take_stream(name: str, expected: int | None, forward: bool) -> None:
    """Have a standard stream put out whole lines; ``expected`` is its descriptor in a spawned worker."""
    stream = getattr(sys, name)
    known = _ours.get(name)
    if known is not None and not known.closed:  # of a run before; that one may have replaced it
        known.buffer.put, known.buffer.descriptor = _putting(name, expected or 0, forward)
        _put(name, known)
        return
    if stream is None and not forward:
        return
    try:
        if not isinstance(stream, io.TextIOWrapper):
            raise OSError
        descriptor = stream.fileno() if expected is None else expected
        stream.reconfigure(line_buffering=True)  # for code that has kept it
    except (OSError, ValueError):
        descriptor = -1
    put, descriptor = _putting(name, descriptor, forward)
    lines = Lines(put, descriptor)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    errors = getattr(stream, "errors", None) or "backslashreplace"
    text = io.TextIOWrapper(  # type: ignore[type-var]
        lines, encoding=encoding, errors=errors, newline="\n", write_through=True
    )
    _ours[name] = text
    _put(name, text)


def _put(name: str, stream: Any) -> None:
    setattr(sys, name, stream)


def _putting(name: str, descriptor: int, forward: bool) -> tuple[Callable[[bytes], None], int]:
    if descriptor >= 0 and not forward:
        return _put_to(descriptor), descriptor

    def put(data: bytes) -> None:
        if _is_ours():
            assert _tell is not None
            _tell(("output", name, data.decode("utf-8", "backslashreplace")))

    return put, -1


# -- in the caller -------------------------------------------------------------------------------------


def settings() -> dict[str, Any]:
    """What a spawned worker must know to say as much as a forked one: levels and filters."""
    found: dict[str, Any] = {"forward": [], "levels": None, "filters": None}
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is not None:
            try:
                same = isinstance(stream, io.TextIOWrapper) and stream.fileno() == descriptor
            except (OSError, ValueError):
                same = False
            if not same:
                found["forward"].append(name)
    logging = sys.modules.get("logging")
    if logging is not None:
        loggers = dict(logging.root.manager.loggerDict)
        found["levels"] = {
            "disable": logging.root.manager.disable,
            "loggers": {
                "root": logging.root.level,
                **{
                    name: one.level
                    for name, one in loggers.items()
                    if isinstance(one, logging.Logger) and one.level
                },
            },
        }
    warnings = sys.modules.get("warnings")
    if warnings is not None:
        try:
            found["filters"] = dumps(list(warnings.filters))
        except Exception:  # a filter of its own kind
            pass
    return found


def heard(value: tuple[Any, ...]) -> None:
    """Something that a worker said: to the caller's own logging, warnings or stream. A run does not
    end of it, whatever they do."""
    kind, *rest = value
    try:
        if kind == "log":
            import logging

            record = logging.makeLogRecord(rest[0])
            logging.getLogger(record.name).handle(record)
        elif kind == "warning":
            _warn(*rest)
        else:
            getattr(sys, rest[0]).write(rest[1])
    except Exception:
        pass


def _warn(body: bytes | None, category: str, text: str, filename: str, lineno: int) -> None:
    import pickle
    import warnings

    try:
        message = pickle.loads(body) if body else None  # nosec B301 # of our own worker
    except Exception:
        message = None
    if not isinstance(message, Warning):
        message = UserWarning(f"{category}: {text}")
    module, registry = _place_of(filename)
    kind = type(message)
    try:
        warnings.warn_explicit(message, kind, filename, lineno, module, registry)
    except Warning:  # an error here, and none in the worker: it is too late for that
        warnings.showwarning(message, kind, filename, lineno)


def _place_of(filename: str) -> tuple[str, dict[Any, Any]]:
    """The module of a file, by which filters go, and what it has warned of so far."""
    found = sys.modules["__main__"]
    if not filename.startswith("<"):
        for module in list(sys.modules.values()):
            if getattr(module, "__dict__", {}).get("__file__") == filename:
                found = module
                break
        else:
            return filename.removesuffix(".py"), _registries.setdefault(filename, {})
    return found.__name__, vars(found).setdefault("__warningregistry__", {})


_registries: dict[str, dict[Any, Any]] = {}
"""The same for files of which no module is known."""
