"""``amorsize history``: what has been learned, moved, checked, tuned and forgotten."""

from __future__ import annotations

import argparse
import gzip
import os
import sys
import zlib
from dataclasses import asdict
from typing import Any, TextIO

from amorsize import learning
from amorsize.cli.exit_codes import OK, USAGE, Stop, usage_errors
from amorsize.cli.history_tables import functions, learned, show, when
from amorsize.cli.output import answer
from amorsize.cli.progress_bar import ProgressBar
from amorsize.core.observation import MalformedObservation
from amorsize.core.places import sqlite_path
from amorsize.history import History, HistoryError, open_history, shown
from amorsize.learning.learner import resolve

TEXT = """\
Look at the history that runs learn from, check it, move it to another machine, or clear it.
"""
ACTIONS = {
    "path": 'where it is; "off" with AMORSIZE_HISTORY=off',
    "stats": "what it holds (this is what happens without an action)",
    "show [FUNCTION]": "the newest runs; of one function by its fingerprint or as MODULE:FUNCTION",
    "functions": "each function: its runs, where it ran best, how fast",
    "learned": "how often ranges held; error and regret as they came down; --plot FILE.svg draws it",
    "check": "whether everything in it is sound; exit code 2 if not",
    "export [FILE]": "write it as JSON lines, to standard output without a FILE",
    "import FILE...": "add what was exported, gzip-packed or not; bad lines are named and left out",
    "prune": "keep few runs that predict as well, within a checked bound",
    "tune": "choose the predictor's parameters by cross-validation (needs some hundred runs)",
    "clear": "forget everything",
}
"""Each action as it is written, and what it does."""
EPILOG = "actions:\n" + "".join(f"  {one:16} {what}\n" for one, what in ACTIONS.items()) + "\n"
ENDINGS = {
    USAGE: "wrong usage, a file that cannot be read or written, or `check` found what is wrong"
}
GZIP = b"\x1f\x8b"
"""The first bytes of a file that gzip has packed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that this command takes."""
    add = parser.add_argument
    names = tuple(action.split()[0] for action in ACTIONS)
    add("action", nargs="?", choices=names, default="stats", help="see below")
    add("files", nargs="*", metavar="FILE", help="for show, export (one) and import")
    add("--history", default="default", metavar="PLACE", help="path or URL instead of the default")
    add(
        "--json",
        action="store_true",
        help="print the answer as JSON (import: a line for each FILE)",
    )
    add("--limit", type=int, metavar="N", help="lines of show and functions (default: 20)")
    add("--names", action="store_true", help="export: the functions' names, too")
    add("--plot", metavar="FILE", help="learned: draw it into this SVG file")
    add = parser.add_argument_group("prune").add_argument
    add(
        "--strategy",
        choices=("conservative", "auto", "aggressive"),
        default="auto",
        help="error at most 2, 5 or 10 %% higher (default: auto)",
    )
    add("--tolerance", type=float, metavar="SHARE", help="error at most this share higher: 0.03")
    add("--dry-run", action="store_true", help="change nothing")
    add("--archive", metavar="FILE", help="append the runs that go to FILE, as JSON lines")
    parser.add_argument("--yes", action="store_true", help="clear without asking")


def run(options: argparse.Namespace) -> int:
    """``amorsize history``."""
    if options.files and options.action not in ("show", "export", "import"):
        raise Stop(USAGE, f"history {options.action} takes no FILE")
    if options.limit is not None and options.limit < 1:
        raise Stop(USAGE, f"--limit {options.limit}: at least 1")
    location = resolve(options.history)
    if options.action == "path":
        named = None if location is None else shown(location)
        answer(options, {"location": named}, named or "off", None)
        return OK
    if location is None:
        raise Stop(USAGE, "AMORSIZE_HISTORY=off: there is no history; name one by --history")
    if options.action != "import" and options.history != "default":
        path = sqlite_path(location)
        # Before a process has opened the database, its first runs wait in the spool.
        if path is not None and not any(map(os.path.lexists, (path, path + ".spool"))):
            raise Stop(USAGE, f"{path}: there is no history")
    with usage_errors(HistoryError), open_history(location) as history:
        return _ACTIONS[options.action](history, options)


def _stats(history: History, options: argparse.Namespace) -> int:
    fields: dict[str, Any] = asdict(history.stats())  # type: ignore[call-overload,unused-ignore]
    told = {
        **fields,
        "size_bytes": f"{fields['size_bytes'] / 2**20:.2f} MiB",
        **{name: when(fields[name]) for name in ("oldest", "newest") if fields[name] is not None},
    }
    lines = [
        f"{name.removesuffix('_bytes').replace('_', ' '):10} {'none' if value is None else value}"
        for name, value in told.items()
    ]
    answer(options, fields, "\n".join(lines))
    return OK


def _prune(history: History, options: argparse.Namespace) -> int:
    from amorsize.pruning.history import prune_training_data  # needs NumPy

    with (
        usage_errors(ValueError, RuntimeError),
        usage_errors(OSError, name=options.archive),
        ProgressBar("part", shown=not options.json) as bar,
    ):
        result = prune_training_data(
            history,
            options.strategy,
            tolerance=options.tolerance,
            dry_run=options.dry_run,
            archive=options.archive,
            progress=bar,
        )
    answer(options, result.to_dict(), result)
    return OK


def _check(history: History, options: argparse.Namespace) -> int:
    problems = history.check()
    text = "\n".join(problems) or f"{history.location}: sound, {history.stats().rows} runs"
    answer(options, {"location": history.location, "problems": problems}, text)
    return USAGE if problems else OK


def _export(history: History, options: argparse.Namespace) -> int:
    if len(options.files) > 1:
        raise Stop(USAGE, "history export takes one FILE")
    if not options.files or options.files[0] == "-":
        history.export_lines(sys.stdout, names=options.names)
        return OK
    name = options.files[0]
    with usage_errors(OSError, name=name), open(name, "x", encoding="utf-8") as file:
        count = history.export_lines(file, names=options.names)
    text = f"{count} runs written to {name}; it holds the history's key: keep it private"
    answer(options, {"file": name, "runs": count}, text, None)
    return OK


def _import(history: History, options: argparse.Namespace) -> int:
    if not options.files:
        raise Stop(USAGE, "history import needs a FILE that `amorsize history export` wrote")
    for name in options.files:
        with (
            usage_errors(OSError, EOFError, zlib.error, MalformedObservation, name=name),
            _opened(name) as file,
        ):
            result = history.import_lines(file)
        fields = {
            "file": name,
            "added": result.added,
            "known": result.known,
            "rejected": result.rejected,
            "reasons": [{"line": line, "reason": reason} for line, reason in result.reasons],
        }
        lines = [
            f"{name}: {result.added} added, {result.known} known, {result.rejected} rejected",
            *(f"  line {line}: {reason}" for line, reason in result.reasons),
        ]
        answer(options, fields, "\n".join(lines), None)
    return OK


def _opened(name: str) -> TextIO:
    """A file of lines, also one that gzip has packed."""
    with open(name, "rb") as file:
        packed = file.read(2) == GZIP
    how: Any = gzip.open if packed else open
    opened: TextIO = how(name, "rt", encoding="utf-8", errors="replace")
    return opened


def _tune(history: History, options: argparse.Namespace) -> int:
    found = learning.tune(history)
    lines = [
        f"{backend}: k = {parameters['n_neighbors']}, {parameters['weights']} weights"
        for backend, parameters in found.items()
    ]
    nothing = "nothing to tune yet: each backend needs 20 runs of 3 functions"
    answer(options, dict(found), "\n".join(lines) or nothing, None)
    return OK


def _clear(history: History, options: argparse.Namespace) -> int:
    rows = history.stats().rows
    if not options.yes:
        if not sys.stdin.isatty():
            raise Stop(USAGE, "history clear asks first; say --yes where nobody can answer")
        print(
            f"forget {rows} runs in {history.location}? [y/N] ", end="", file=sys.stderr, flush=True
        )
        if input().lower() not in ("y", "yes"):
            answer(options, {"forgotten": 0}, "nothing was changed", None)
            return OK
    forgotten = history.clear()
    answer(options, {"forgotten": forgotten}, f"{forgotten} runs forgotten", None)
    return OK


_ACTIONS = {
    "stats": _stats,
    "show": show,
    "functions": functions,
    "learned": learned,
    "check": _check,
    "export": _export,
    "import": _import,
    "prune": _prune,
    "tune": _tune,
    "clear": _clear,
}
