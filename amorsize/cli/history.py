"""``amorsize history``: what has been learned, moved, checked, tuned and forgotten."""

from __future__ import annotations

import sys

from amorsize.cli.exit_codes import OK, USAGE, Stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from amorsize.history.base import History

TEXT = """\
Look at the history that runs learn from, check it, move it to another machine, or clear it.
"""
EPILOG = """\
actions:
  path             where it is; "off" with AMORSIZE_HISTORY=off
  stats            what it holds (this is what happens without an action)
  show [FUNCTION]  the newest runs; of one function by its fingerprint or as MODULE:FUNCTION
  functions        each function: its runs, where it ran best, how fast
  learned          error and regret of predictions, as they came down; --plot FILE.svg draws it
  check            whether everything in it is sound; exit code 2 if not
  export [FILE]    write it as JSON lines, to standard output without a FILE
  import FILE...   add what was exported, here or elsewhere; bad lines are named and left out
  prune            keep few runs that predict as well, within a checked bound
  tune             choose the predictor's parameters by cross-validation (needs some hundred runs)
  clear            forget everything

"""
ACTIONS = (
    "path",
    "stats",
    "show",
    "functions",
    "learned",
    "check",
    "export",
    "import",
    "prune",
    "tune",
    "clear",
)

TOLD = ("show", "functions", "learned")
"""Those that are in ``told``."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that this command takes."""
    parser.add_argument("action", nargs="?", choices=ACTIONS, default="stats", help="see below")
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="for show, export (one) and import"
    )
    parser.add_argument(
        "--history", default="default", metavar="PLACE", help="path or URL instead of the default"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the answer as JSON (import: a line for each FILE)",
    )
    parser.add_argument(
        "--limit", type=int, metavar="N", help="lines of show and functions (default: 20)"
    )
    parser.add_argument("--plot", metavar="FILE", help="learned: draw it into this SVG file")
    prune = parser.add_argument_group("prune")
    prune.add_argument(
        "--strategy",
        choices=("conservative", "auto", "aggressive"),
        default="auto",
        help="error at most 2, 5 or 10 %% higher (default: auto)",
    )
    prune.add_argument(
        "--tolerance", type=float, metavar="SHARE", help="error at most this share higher: 0.03"
    )
    prune.add_argument("--dry-run", action="store_true", help="change nothing")
    prune.add_argument(
        "--archive", metavar="FILE", help="append the runs that go to FILE, as JSON lines"
    )
    parser.add_argument("--yes", action="store_true", help="clear without asking")


def run(options: argparse.Namespace) -> int:
    """``amorsize history``."""
    from amorsize.history import HistoryError, open_history, shown
    from amorsize.learning.learner import resolve

    if options.files and options.action not in ("show", "export", "import"):
        raise Stop(USAGE, f"history {options.action} takes no FILE")
    if options.limit is not None and options.limit < 1:
        raise Stop(USAGE, f"--limit {options.limit}: at least 1")
    location = resolve(options.history)
    if options.action == "path":
        named = None if location is None else shown(location)
        _tell(options, {"location": named}, named or "off")
        return OK
    if location is None:
        raise Stop(USAGE, "AMORSIZE_HISTORY=off: there is no history; name one by --history")
    try:
        with open_history(location) as history:
            if options.action in TOLD:
                from amorsize.cli import history_tables as told

                act = getattr(told, options.action)
            else:
                act = globals()[f"_{options.action}"]
            code: int = act(history, options)
            return code
    except HistoryError as error:
        raise Stop(USAGE, str(error)) from None


def _tell(options: argparse.Namespace, fields: dict[str, Any], text: str) -> None:
    """Print an answer, as JSON if that is wanted."""
    if options.json:
        from json import dumps

        text = dumps(fields)
    print(text)


def _stats(history: History, options: argparse.Namespace) -> int:
    from dataclasses import asdict
    from time import localtime, strftime

    told: dict[str, Any] = asdict(history.stats())  # type: ignore[call-overload,unused-ignore]
    if options.json:
        from json import dumps

        print(dumps(told, indent=2))
        return OK
    for name in ("oldest", "newest"):
        if told[name] is not None:
            told[name] = strftime("%Y-%m-%d %H:%M", localtime(told[name]))
    told["size_bytes"] = f"{told['size_bytes'] / 2**20:.2f} MiB"
    for name, value in told.items():
        shown = "none" if value is None else value
        print(f"{name.removesuffix('_bytes').replace('_', ' '):10} {shown}")
    return OK


def _prune(history: History, options: argparse.Namespace) -> int:
    from amorsize.pruning.history import prune_training_data

    bar = None
    if sys.stderr.isatty() and not options.json:
        from tqdm import tqdm

        bar = tqdm(total=1, unit="part", leave=False, file=sys.stderr)

    def tell(done: int, total: int, what: str) -> None:
        if bar is not None:
            bar.total, bar.n = total, done
            bar.set_description(what)

    try:
        result = prune_training_data(
            history,
            options.strategy,
            tolerance=options.tolerance,
            dry_run=options.dry_run,
            archive=options.archive,
            progress=tell,
        )
    except (ValueError, RuntimeError) as error:
        raise Stop(USAGE, str(error)) from None
    except OSError as error:
        raise Stop(USAGE, f"{options.archive}: {error.strerror}") from None
    finally:
        if bar is not None:
            bar.close()
    if options.json:
        from json import dumps

        print(dumps(result.to_dict(), indent=2))
    else:
        print(result)
    return OK


def _check(history: History, options: argparse.Namespace) -> int:
    problems = history.check()
    if options.json:
        from json import dumps

        print(dumps({"location": history.location, "problems": problems}, indent=2))
    else:
        for problem in problems:
            print(problem)
        if not problems:
            print(f"{history.location}: sound, {history.stats().rows} runs")
    return USAGE if problems else OK


def _export(history: History, options: argparse.Namespace) -> int:
    if len(options.files) > 1:
        raise Stop(USAGE, "history export takes one FILE")
    if not options.files or options.files[0] == "-":
        history.export_lines(sys.stdout)
        return OK
    try:
        with open(options.files[0], "x", encoding="utf-8") as file:
            count = history.export_lines(file)
    except OSError as error:
        raise Stop(USAGE, f"{options.files[0]}: {error.strerror}") from None
    _tell(
        options,
        {"file": options.files[0], "runs": count},
        f"{count} runs written to {options.files[0]}; it holds the history's key: keep it private",
    )
    return OK


def _import(history: History, options: argparse.Namespace) -> int:
    from amorsize.core.observation import MalformedObservation

    if not options.files:
        raise Stop(USAGE, "history import needs a FILE that `amorsize history export` wrote")
    for name in options.files:
        try:
            with open(name, encoding="utf-8", errors="replace") as file:
                result = history.import_lines(file)
        except OSError as error:
            raise Stop(USAGE, f"{name}: {error.strerror}") from None
        except MalformedObservation as error:
            raise Stop(USAGE, f"{name}: {error}") from None
        lines = [
            f"{name}: {result.added} added, {result.known} known, {result.rejected} rejected",
            *(f"  line {line}: {reason}" for line, reason in result.reasons),
        ]
        fields = {
            "file": name,
            "added": result.added,
            "known": result.known,
            "rejected": result.rejected,
            "reasons": [{"line": line, "reason": reason} for line, reason in result.reasons],
        }
        _tell(options, fields, "\n".join(lines))
    return OK


def _tune(history: History, options: argparse.Namespace) -> int:
    from amorsize.learning.parameters import tune

    found = tune(history)
    lines = [
        f"{backend}: k = {parameters['n_neighbors']}, {parameters['weights']} weights"
        for backend, parameters in found.items()
    ]
    nothing = "nothing to tune yet: each backend needs 20 runs of 3 functions"
    _tell(options, dict(found), "\n".join(lines) or nothing)
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
            _tell(options, {"forgotten": 0}, "nothing was changed")
            return OK
    forgotten = history.clear()
    _tell(options, {"forgotten": forgotten}, f"{forgotten} runs forgotten")
    return OK
