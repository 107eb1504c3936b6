"""``amorsize run``: results as lines of JSON, in the order of the items."""

from __future__ import annotations

import os
import sys
from json import JSONEncoder, dumps

from amorsize import Tuner
from amorsize.api.checks import CHECKPOINT_FORMATS
from amorsize.cli.dry_run import preview
from amorsize.cli.exit_codes import ITEM_FAILED, ITEMS, OK, USAGE, Stop, usage_errors
from amorsize.cli.function import load
from amorsize.cli.items import read_items
from amorsize.cli.messages import describe, index_of, origin, short, stop_for
from amorsize.cli.output import open_lines, put, standard_output
from amorsize.cli.pending_items import PassingItems, PendingItems
from amorsize.cli.run_options import add_engine, engine_options
from amorsize.errors import CheckpointError, ItemError, NotRun, OptionError
from amorsize.items.call import format_traceback
from amorsize.items.kinds import is_coroutine_function
from amorsize.items.timed import TIMES, Timed, TimedLater, TimedResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable
    from typing import Any, TextIO

TEXT = """\
Run a function over items in the fastest way that amorsize finds, and write each result as a line of
JSON, in the order of the items. The directory that you are in can be imported from.

Items given as text (ITEM, --input, --glob) stay text unless --json-items is given. A result that
JSON cannot hold is a failure of that item, which names its type; --repr writes its repr() as a
JSON text instead. As always in Python's JSON, tuples become arrays and keys that are numbers
become text.
"""

ENDINGS = ITEMS
EPILOG = """\
on-error:
  raise    stop at the first failure (default)
  skip     leave out the line of an item that failed
  collect  write {"error": {"index": 3, "type": "ValueError", "message": "..."}} in its place

checkpoint:
  --checkpoint FILE keeps each result as it comes; the same command with --resume runs what is left
  and writes all lines again. Items are found by their content: lines may be added, changed, removed
  and moved. An item that failed runs again, unless its request was bad (HTTP 400, 404, 422 ...);
  --retry-failed runs what failed, those too, and nothing else. With other code it is refused; with
  --key the key decides. FILE is read by pickle: --resume with a file that somebody gave you runs
  their code. amorsize checkpoint FILE shows what is in it.
  --checkpoint-format json reads no pickle; it has no room for the times of --joblog.

job log: tab separated, one line for each item that ended, in the order of the items:
  Seq      position of the item, from 1
  Start    seconds since 1970 when the function was called, by the clock of where it ran
  Runtime  seconds that the call took
  Exitval  0, or 1 when the item failed
  Item     as JSON
Start and Runtime are "-" where they are not known: the worker died, the exception could not carry
them, or the result is from a checkpoint and was run without --joblog. Items that were never begun, or
not finished when the run stopped, have no line.

"""


JOB_LOG_HEAD = "Seq\tStart\tRuntime\tExitval\tItem\n"
"""The first line of a job log; EPILOG says what the columns are."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that this command takes."""
    add_engine(parser)
    add = parser.add_argument_group("results").add_argument
    add("--output", metavar="FILE", help="write results there, not to standard output")
    add("--repr", action="store_true", help="write what JSON cannot hold as text")
    add("--checkpoint", metavar="FILE", help="keep what is done in FILE, to go on after any ending")
    add("--resume", action="store_true", help="go on with the FILE of --checkpoint, if it exists")
    add(
        "--checkpoint-format",
        choices=CHECKPOINT_FORMATS,
        default="pickle",
        help="how FILE holds results; pickle (default) must be a file that you trust",
    )
    add(
        "--key",
        metavar="NAME[,NAME]",
        help="fields that tell the items of --checkpoint apart, or MODULE:FUNCTION of an item",
    )
    add("--retry-failed", action="store_true", help="with --resume: run only what failed before")
    add("--progress", action="store_true", help="a bar on standard error")
    add("--trace", metavar="FILE", help="draw the run in FILE, for https://ui.perfetto.dev")
    add("--joblog", metavar="FILE", help="one line for each item; see below")
    add("--traceback", action="store_true", help="show where the function raised")
    add(
        "--dry-run",
        action="store_true",
        help="print the items, and on standard error what can be said without running one",
    )


def run(options: argparse.Namespace) -> int:
    """``amorsize run``."""
    function = load(options.target)
    items = read_items(options)
    if options.dry_run:
        return preview(options, function, items)
    keywords = engine_options(options)
    keywords.update(_checkpoint_options(options))
    # The places of skipped items must be seen, to count and log them.
    keywords["on_error"] = "raise" if options.on_error == "raise" else "collect"
    keywords["progress"] = options.progress
    to = standard_output() if options.output is None else open_lines(options.output)
    with to as output, open_lines(options.joblog, JOB_LOG_HEAD) as log:
        return _Run(options, output, log)(function, items, keywords)


def _checkpoint_options(options: argparse.Namespace) -> dict[str, Any]:
    """The keywords for a journal: a new one, or an existing one by ``--resume`` only."""
    path: str | None = options.checkpoint
    if path is None:
        if options.resume:
            raise Stop(USAGE, "--resume needs the file to go on with: --checkpoint FILE")
        for word, value in (("--key", options.key), ("--retry-failed", options.retry_failed)):
            if value:
                raise Stop(USAGE, f"{word} is about what a checkpoint holds: add --checkpoint FILE")
        return {}
    if os.path.lexists(path) and not options.resume:
        raise Stop(
            USAGE,
            f"--checkpoint {path}: the file exists; --resume goes on with it, "
            "or remove it or name another to begin anew",
        )
    if options.joblog is not None and options.checkpoint_format == "json":
        raise Stop(
            USAGE, "--checkpoint-format json has no room for the times of --joblog; leave one out"
        )
    chosen = {"checkpoint": path, "checkpoint_format": options.checkpoint_format}
    if options.retry_failed:
        chosen["retry_failed"] = True
    if options.key is not None:
        chosen["key"] = load(options.key) if ":" in options.key else Fields(options.key.split(","))
    return chosen


class Fields:
    """The values of these fields of an item: its key."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def __call__(self, item: Any) -> tuple[Any, ...]:
        return tuple(item[name] for name in self.names)


class _Run:
    """One run of a function over items, its results written as they come."""

    def __init__(self, options: argparse.Namespace, output: TextIO, log: TextIO | None) -> None:
        self.on_error: str = options.on_error
        self.as_repr: bool = options.repr
        self.traceback: bool = options.traceback
        self.trace: str | None = options.trace
        self.retry_failed: bool = options.retry_failed
        self.output, self.log = output, log
        self.failed = 0
        self._encode = JSONEncoder(allow_nan=False).encode

    def __call__(
        self, function: Callable[[Any], Any], items: Iterable[Any], keywords: dict[str, Any]
    ) -> int:
        kind: Any = PendingItems if isinstance(items, (list, range)) else PassingItems
        known: PendingItems = kind(items)
        called: Callable[[Any], Any] = function
        if self.log is not None:
            called = TimedLater(function) if is_coroutine_function(function) else Timed(function)
        index = -1
        with (
            usage_errors(OptionError, CheckpointError),
            usage_errors(OSError, name=f"--trace {self.trace}"),
        ):
            results: Any = Tuner(trace=self.trace).stream(called, known.data, **keywords)
        try:
            for index, result in enumerate(results):
                item = known.pop()
                if isinstance(result, ItemError):
                    self._fail(index, item, result.exception, result.traceback)
                    continue
                times: tuple[float, float] | None = None
                if type(result) is TimedResult:  # else it was held by a checkpoint without times
                    times, result = result[:2], result[2]
                self._write(index, item, result, times)
        except (Stop, KeyboardInterrupt):
            raise
        except BaseException as error:
            # What a function raises is its item's failure, be it of a type that means more here.
            at = index_of(error)
            if at is not None:
                self._fail(at, known.get(at), error, format_traceback(error))
            elif isinstance(error, BrokenPipeError) and not origin(error):
                raise
            else:
                stop = stop_for(error)
                if self.traceback and stop.code == ITEM_FAILED:
                    sys.stderr.write(format_traceback(error))
                raise stop from None
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
        put(self.output, text)
        self._log(index, item, times, failed=False)

    def _fail(
        self, index: int, item: Any, error: BaseException, traceback: str, times: Any = None
    ) -> None:
        """An item failed: stop, or go on without it. Where only failed ones were asked for, it is no
        failure that a new one did not run."""
        if self.retry_failed and type(error) is NotRun:
            traceback = ""
        else:
            self.failed += 1
            self._log(index, item, times or getattr(error, TIMES, None), failed=True)
        if self.traceback and traceback:
            sys.stderr.write(traceback)
        if self.on_error == "raise":
            raise Stop(ITEM_FAILED, f"item {index} ({short(item)}): {describe(error)}")
        if self.on_error == "collect":
            what = {"index": index, "type": type(error).__qualname__, "message": str(error)}
            put(self.output, self._encode({"error": what}))

    def _log(self, index: int, item: Any, times: Any, *, failed: bool) -> None:
        if self.log is None:
            return
        start, seconds = (f"{times[0]:.3f}", f"{times[1]:.6f}") if times else ("-", "-")
        put(self.log, f"{index + 1}\t{start}\t{seconds}\t{int(failed)}\t{dumps(item)}")
