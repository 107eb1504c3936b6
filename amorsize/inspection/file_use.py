"""What one item does with files and folders, as the interpreter's own audit events tell it.

::

    FileUse(since)  --begin--> events of this thread: open, mkdir, rename, remove, listdir ...  --end-->
    reasons: why the order of the items matters

Files are where items meet without sharing an object. The order matters where an item lists a folder
that items write to, writes a file that an earlier item of the run has written, or reads one. The times
of files tell all of it; the kernel sets them by the clock that :func:`now` reads.

A worker hears the events of all that it runs (:class:`RunFiles`): what it finds written by another item
is told.

The hook that hears the events is put in once, for the first watched function that names files, or whose
item wrote something: Python has no way to take it out again. While no item is watched it costs 0.12
microseconds an event (``id``: 0.03 to 0.16).
"""

from __future__ import annotations

import os
import stat
import sys
import time
from _thread import get_ident
from _weakref import ref
from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from amorsize.inspection.program_use import ProgramUse

FILE_NAMES = frozenset(
    {"open", "fdopen", "read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "makedirs",
     "touch", "listdir", "scandir", "walk", "glob", "iglob", "rglob", "iterdir", "rename", "renames",
     "replace", "remove", "unlink", "rmdir", "rmtree", "symlink", "symlink_to", "link", "hardlink_to",
     "move", "copy", "copy2", "copyfile", "copytree", "truncate", "save", "savez", "savetxt", "load",
     "loadtxt", "dump", "to_csv", "to_json", "to_parquet", "to_pickle", "to_excel", "to_hdf", "read_csv",
     "read_json", "read_parquet", "read_pickle", "savefig", "connect", "mkstemp", "mkdtemp", "imsave",
     "NamedTemporaryFile", "TemporaryDirectory", "ZipFile", "tofile", "fromfile", "memmap", "write"}
)  # fmt: skip
"""Names by which code uses files: of a function that names none of them no event is heard."""

OUTPUT_NAMES = frozenset(
    {"print", "write", "writelines", "write_text", "write_bytes", "writerow", "writerows", "mkdir",
     "makedirs", "touch", "rename", "renames", "remove", "unlink", "rmdir", "rmtree", "symlink", "link",
     "move", "copyfile", "copytree", "truncate", "save", "savez", "savetxt", "dump", "to_csv", "to_json",
     "to_parquet", "to_pickle", "to_excel", "to_hdf", "savefig", "imsave", "tofile", "memmap", "connect",
     "execute", "executemany", "commit", "send", "sendall", "sendto", "post", "put", "patch", "debug",
     "info", "warning", "warn", "error", "exception", "critical", "log_message", "exec", "eval"}
)  # fmt: skip
"""Names by which code prints, logs, writes or sends: where one is used, others may see the order of the
items."""

MOST_EVENTS = 2000
"""Events of one item that are heard: some 5 microseconds each."""

OF_THE_KERNEL = ("/proc/", "/sys/", "/dev/")
"""Where files are made at the moment that they are asked for: their times say nothing of other items.
amorsize itself reads some of them while an item runs."""

STAT, LSTAT = os.stat, os.lstat
"""As they are while nobody listens to what is asked."""

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

MOST_PATHS = 100_000
"""Events of the items of one thread of a worker that are heard."""

_hearing: dict[int, ref[FileUse]] = {}
"""By thread, what hears it. Weak: a run that its item ended by an exception takes its own away."""

_everywhere: ref[RunFiles] | None = None
"""What hears the threads that no watched item runs in."""

_installed = False


COARSE_CLOCK: int | None = 5 if sys.platform == "linux" else None
"""CLOCK_REALTIME_COARSE, which ``time`` has no name for. It stands still for a tick of up to 10 ms: a
file that changes after a look at the exact time may be stamped earlier than that."""


class Moment(float):
    """A time in seconds, and the ``tick`` that the kernel stamps files with just then.

    Newer kernels stamp most files with the exact time, others with that of the last tick. So a stamp
    between the two is of an exact time, and earlier than the moment; one of the tick may be either."""

    tick: float


def now() -> Moment:
    """This moment."""
    tick = time.time() if COARSE_CLOCK is None else time.clock_gettime(COARSE_CLOCK)
    moment = Moment(time.time())
    moment.tick = tick
    return moment


class FileUse:
    """What one item did with files: heard between :meth:`begin` and :meth:`end`, in one thread.

    ``programs``: what looks after the programs that it starts, if they are to be looked after.
    ``since``: when the run began, by :func:`now`. ``item``: paths that it is or holds were given to it,
    so that it may read them even if they are new. ``questions``: the module
    ``file_questions``, where the code asks which files are there."""

    __slots__ = (
        "__weakref__", "_began", "_busy", "_changed", "_events", "_given", "_listed", "_made",
        "_most", "_programs", "_questions", "_since", "_thread", "_tick", "reasons",
    )  # fmt: skip

    def __init__(
        self, since: float, item: Any, programs: ProgramUse | None = None, *, questions: Any = None
    ) -> None:
        self._since, self._questions = since, questions
        self._most = MOST_PATHS if programs is None else MOST_EVENTS
        self._tick: float = getattr(since, "tick", since)
        self._programs = programs
        self._busy = False
        self._thread, self._began = 0, 0.0
        self._given = _paths_in(item)
        self._made: set[str] = set()
        self._changed: set[str] = set()
        self._listed: set[str] = set()
        self._events = 0
        self.reasons: dict[str, None] = {}
        """Names of what changed, for sentences."""

    def begin(self, thread: int | None = None) -> None:
        """Hear the events of a thread, by its identifier; of this one where none is given."""
        install()
        self._thread = get_ident() if thread is None else thread
        self._began = time.time()
        _hearing[self._thread] = ref(self)
        if self._questions is not None:
            self._questions.begin(_hear_question)

    def end(self) -> None:
        """Hear no more."""
        _hearing.pop(self._thread, None)
        if self._questions is not None and (_everywhere is None or _everywhere() is None):
            self._questions.end()
        if self._programs is not None:
            for path in self._programs.rewritten(self._since):
                if path not in self._made and path not in self._given:
                    self._tell("the file", path)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """One event."""
        self._events += 1
        if self._events > self._most or self._busy:
            return
        if event in PROGRAMS:
            self._start(event, arguments)
            return
        paths = [_path(one) for one in arguments[:2]]
        if (paths[0] or "").startswith(OF_THE_KERNEL):
            return
        if event == "open":
            self._open(paths[0], arguments[2])
        elif event in ("os.listdir", "os.scandir"):
            self._list(paths[0] if arguments[0] is not None else os.getcwd())
        elif event == "os.mkdir":
            if paths[0]:
                self._make_folder(paths[0])
        elif event in ("os.remove", "os.rmdir"):
            self._take(paths[0])
        elif event == "os.rename":
            self._take(paths[0])
            self._write(paths[1])
        elif event in ("os.link", "os.symlink"):
            if event == "os.link":
                self._count_link(paths[0])
            self._write(paths[1])
        elif event == "sqlite3.connect" and paths[0] and os.path.basename(paths[0])[:1] != ":":
            self._write(paths[0], "the database")
        elif event == "os.truncate":
            self._write(paths[0])

    def ask(self, path: Any) -> None:
        """It is asked whether a file is there, or what it is."""
        self._events += 1
        known = None if self._busy or self._events > self._most else _path(path)
        if known is None or known in self._made or known in self._given:
            return
        status = _status(known, STAT)
        if status is not None and stat.S_ISREG(status.st_mode) and self._is_others(status):
            self._tell("the file", known)

    def _open(self, path: str | None, flags: Any) -> None:
        if path is None or type(flags) is not int:
            return
        if flags & WRITING:
            self._write(path)
        elif path not in self._made and path not in self._given:
            status = _status(path, STAT)
            if status is not None and stat.S_ISREG(status.st_mode) and self._is_others(status):
                self._tell("the file", path)

    def _list(self, path: str | None) -> None:
        if path is None or path in self._made:
            return
        self._listed.add(path)
        status = _status(path, STAT)
        if path in self._changed or (status is not None and self._is_new(status)):
            self._tell("the folder", path)

    def _start(self, event: str, arguments: tuple[Any, ...]) -> None:
        """A program is started."""
        if self._programs is None:
            return
        self._busy = True
        try:
            for path in self._programs.begin(event, arguments):
                status = _status(path, LSTAT)
                if status is None:
                    self._made.add(path)
                elif path in self._made or path in self._given or self._programs.made(path):
                    continue
                elif stat.S_ISREG(status.st_mode) and self._is_others(status):
                    self._tell("the file", path)
        finally:
            self._busy = False

    def _make_folder(self, path: str) -> None:
        status = _status(path, LSTAT)
        if status is None:
            self._make(path)
        elif path not in self._made and self._is_new(status) and not _may_exist(sys._getframe(3)):
            self._tell("the folder", path)

    def _make(self, path: str) -> None:
        """Something new is put into a folder."""
        self._made.add(path)
        folder = os.path.dirname(path)
        self._changed.add(folder)
        if folder in self._listed:
            self._tell("the folder", folder)

    def _take(self, path: str | None) -> None:
        """Something is taken out of a folder."""
        if path is None or path in self._made:
            return
        status = None if path in self._given else _status(path, LSTAT)
        if status is not None and self._is_others(status, at_least=True):
            self._tell("the file", path)
        self._make(path)

    def _count_link(self, path: str | None) -> None:
        """A file gets one more name, which it counts: do other items link it, too?"""
        status = None if path is None or path in self._made else _status(path, STAT)
        if status is not None and self._is_new(status):
            self._tell("the file", str(path))

    def _write(self, path: str | None, what: str = "the file") -> None:
        if path is None or path in self._made:
            return
        status = _status(path, LSTAT)
        if status is None:
            self._make(path)
            return
        self._made.add(path)
        kind = status.st_mode
        if stat.S_ISFIFO(kind):
            self._tell("the pipe", path)
        elif (stat.S_ISREG(kind) or stat.S_ISLNK(kind)) and self._is_new(status, at_least=True):
            self._tell(what, path)

    def _is_new(self, status: os.stat_result, *, at_least: bool = False) -> bool:
        """Did it change since the run began? In the tick of the beginning: only if ``at_least``. (A file
        with an exact stamp of that tick keeps it when it gets a new name within the tick.)"""
        changed = max(status.st_mtime, status.st_ctime)
        return changed > self._since or (at_least and changed >= self._tick)

    def _is_others(self, status: os.stat_result, *, at_least: bool = False) -> bool:
        """Did it change since the run began, and before this item did? What C code writes is not heard: a
        file that is newer than the item may be its own."""
        began = self._began or time.time() - _seconds_of_stretch()
        changed = max(status.st_mtime, status.st_ctime)
        return changed <= began and self._is_new(status, at_least=at_least)

    @property
    def is_used(self) -> bool:
        """Whether a file was made or changed."""
        return bool(self._made)

    def _tell(self, what: str, path: str) -> None:
        if "__pycache__" not in path:
            self.reasons[f"{what} `{os.path.basename(path)}`, which other items use,"] = None


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    """The hook: hands on the events of a thread that runs a watched item, or of a worker."""
    if (_hearing or _everywhere) and event in EVENTS:
        use = _use_of(get_ident())
        if use is not None:
            try:
                use.hear(event, arguments)
            except Exception:  # the item runs on, whatever the watch makes of it
                return


def _use_of(thread: int) -> FileUse | None:
    """What hears a thread, if anything does."""
    known = _hearing.get(thread)
    use = known() if known is not None else None
    if use is None and _everywhere is not None:
        run = _everywhere()
        use = None if run is None else run.use_of(thread)
    return use


def _hear_question(path: Any) -> None:
    """It is asked for a path, in whatever thread."""
    use = _use_of(get_ident())
    if use is not None:
        try:
            use.ask(path)
        except Exception:  # the question is the user's
            return


def _forget(questions: Any, run: ref[RunFiles]) -> None:
    """A run has ended: nobody listens any more, if it was the last."""
    if _everywhere is run and questions is not None:
        questions.end()


def install() -> None:
    """Put the hook in, once."""
    global _installed
    if not _installed:
        _installed = True
        sys.addaudithook(_hear)


def is_installed() -> bool:
    """Whether the hook is in: it hears at no further cost."""
    return _installed


class RunFiles:
    """What the items of a run do with files in the threads and processes that they are sent to.

    Heard are the processes that are forked from this one, and its threads but the one that makes this;
    with ``here`` that one, too; with ``questions`` also what they ask for. Each thread has its own items;
    what it finds written by those of another since the beginning is told in ``reasons``."""

    __slots__ = ("__weakref__", "_caller", "_pid", "_since", "_uses")

    def __init__(
        self, since: Moment | None = None, *, here: bool = False, questions: Any = None
    ) -> None:
        global _everywhere
        install()
        if questions is not None:
            questions.begin(_hear_question)
        self._since = now() if since is None else since
        self._pid = os.getpid()
        self._caller = 0 if here else get_ident()
        self._uses: dict[int, FileUse] = {}
        _everywhere = ref(self, partial(_forget, questions))

    def use_of(self, thread: int) -> FileUse | None:
        """What hears a thread; None of the caller's."""
        if thread == self._caller and os.getpid() == self._pid:
            return None
        use = self._uses.get(thread)
        if use is None:
            use = self._uses[thread] = FileUse(self._since, None)
        return use

    def changed(self, process: bool = True, *given: Sequence[Any]) -> tuple[str, ...]:
        """As of a late look: names of what items of several threads or processes use."""
        return tuple(self.reasons)

    @property
    def reasons(self) -> dict[str, None]:
        """The same names, in the order in which they were found."""
        found: dict[str, None] = {}
        for use in tuple(self._uses.values()):
            found.update(use.reasons)
        return found


def _seconds_of_stretch() -> float:
    """How long the worker of this thread has been running the present stretch of items."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_name != "run_chunk":
        frame = frame.f_back
    began = None if frame is None else frame.f_locals.get("began")
    return time.perf_counter() - began if type(began) is float else 0.0


def _may_exist(frame: Any) -> bool:
    """Does the standard library make a folder that may be there already (``exist_ok``)?"""
    code = frame.f_code
    return code.co_name in ("mkdir", "makedirs") and bool(frame.f_locals.get("exist_ok"))


PROGRAMS = frozenset({"subprocess.Popen", "os.system", "os.posix_spawn"})
"""Events of programs that are started."""

EVENTS = PROGRAMS | frozenset(
    {"open", "os.listdir", "os.scandir", "os.mkdir", "os.remove", "os.rmdir", "os.rename", "os.link",
     "os.symlink", "os.truncate", "sqlite3.connect"}
)  # fmt: skip
"""Events of the interpreter (docs.python.org, "Audit events table") that tell of files."""


def _path(value: Any) -> str | None:
    """A path as an absolute one; None of a descriptor and of what is no exact text."""
    if type(value) is bytes:
        value = os.fsdecode(value)
    elif type(value).__module__.partition(".")[0] == "pathlib":
        value = os.fspath(value)
    return os.path.abspath(value) if type(value) is str else None


def _status(path: str, ask: Callable[[str], os.stat_result]) -> os.stat_result | None:
    try:
        return ask(path)
    except (OSError, ValueError):
        return None


def _paths_in(item: Any) -> set[str]:
    """The texts and paths that an item is or holds, as absolute paths."""
    parts = [item]
    if type(item) in (tuple, list):
        parts = item[:32]
    elif type(item) is dict:
        parts = list(item.values())[:32]
    found: set[str] = set()
    for part in parts:
        if type(part).__module__.partition(".")[0] == "pathlib":
            part = os.fspath(part)
        if type(part) is str and 0 < len(part) < 4096:
            found.add(os.path.abspath(part))
    return found
