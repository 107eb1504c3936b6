"""``amorsize checkpoint``: what a checkpoint holds, as text, JSON or lines of JSON; forgetting of it."""

from __future__ import annotations

import os
from collections import Counter
from json import dumps

from amorsize.checkpoint import rows
from amorsize.checkpoint.journal import Journal
from amorsize.checkpoint.names import label_of
from amorsize.cli.exit_codes import OK, USAGE, Stop, usage_errors
from amorsize.cli.messages import SHOWN_CHARACTERS
from amorsize.cli.output import answer, open_lines, put, standard_output
from amorsize.errors import CheckpointError
from amorsize.items.timed import TimedResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence
    from typing import Any

TEXT = """\
Show what a checkpoint holds: items that are done, items that failed, and the size of the file.
"""

EPILOG = """\
export:
  --export FILE writes one line of JSON for each item (- is standard output), in the order of their
  positions when they last ran: {"position": 3, "key": ..., "state": "done", "result": ...}, or
  "error" in the place of "result". With --failed only the items that failed. What JSON cannot hold is
  written as its repr(). "key" is the key, or the item where it is a number or a short text.

forget:
  --forget KEY takes the key as it is shown, as JSON; a text may stand without its quotes. A forgotten
  item runs again. --forget-failed forgets all that failed.

FILE is read by pickle unless it was made with --checkpoint-format json: only --export unpickles
results, and a file that somebody gave you runs their code then.

"""

ENDINGS: dict[int, str] = {}
STATES = {rows.DONE: "done", rows.FAILED: "failed", rows.REJECTED: "rejected"}
SHOWN_FAILED = 10
"""Failed items in the summary; --failed lists all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that this command takes."""
    add = parser.add_argument
    add("file", metavar="FILE", help="the file of --checkpoint")
    add(
        "--failed", action="store_true", help="list, or export, every item that failed and no other"
    )
    add("--export", metavar="OUT", help="write the items as lines of JSON; - is standard output")
    add(
        "--forget",
        metavar="KEY",
        action="append",
        default=[],
        help="remove an item; may be repeated",
    )
    add("--forget-failed", action="store_true", help="remove all items that failed")
    add("--json", action="store_true", help="the summary as JSON")


def run(options: argparse.Namespace) -> int:
    """``amorsize checkpoint``."""
    if not os.path.lexists(options.file):
        raise Stop(USAGE, f"{options.file}: there is no such file")
    with usage_errors(CheckpointError):
        journal = _opened(options.file)
        try:
            _do(options, journal)
        finally:
            journal.close()
    return OK


def _opened(path: str) -> Journal:
    """The journal, in the format that it has."""
    journal = Journal(path)
    format = journal.about["format"]
    if format == journal.format:
        return journal
    journal.close()
    return Journal(path, format)


def _do(options: argparse.Namespace, journal: Journal) -> None:
    if options.forget or options.forget_failed:
        _forget(journal, options.forget, failed=options.forget_failed)
    elif options.export is not None:
        to = standard_output() if options.export == "-" else open_lines(options.export)
        with to as output:
            for line in _lines(journal, only_failed=options.failed):
                put(output, line)
    else:
        _show(options, journal)


def _forget(journal: Journal, keys: Sequence[str], *, failed: bool) -> None:
    which: list[int] = []
    for key in keys:
        found = journal.rows_of(key) or journal.rows_of(label_of(key))
        if not found:
            raise Stop(
                USAGE,
                f"--forget {key}: no item has this key; --export - shows those that can be named",
            )
        which += [row for row, *_ in found]
    if failed:
        which += [row for row, state, *_ in journal.rows_of() if state != rows.DONE]
    which = sorted(set(which))
    journal.forget(which)
    print(f"forgot {len(which)} {'item' if len(which) == 1 else 'items'}")


def _lines(journal: Journal, *, only_failed: bool) -> Iterator[str]:
    every = [row for row in journal.rows_of() if not only_failed or row[1] != rows.DONE]
    done = journal.values([row for row, state, *_ in every if state == rows.DONE])
    for _, state, position, label, error in every:
        head = (
            f'{{"position": {position}, "key": {dumps(_key(label))}, "state": "{STATES[state]}", '
        )
        if state == rows.DONE:
            yield f'{head}"result": {_written(next(done)[1])}}}'
        else:
            yield f'{head}"error": {dumps(error)}}}'


def _key(label: str | None) -> Any:
    """The key of a label, which is JSON but where the key was no JSON: then its repr is a text."""
    from json import loads

    if label is None:
        return None
    try:
        return loads(label)
    except ValueError:
        return label


def _written(value: Any) -> str:
    if type(value) is TimedResult:
        value = value[2]
    try:
        return dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return dumps(repr(value))


def _show(options: argparse.Namespace, journal: Journal) -> None:
    every = journal.rows_of()
    count = Counter(STATES[state] for _, state, *_ in every)
    failed = [
        (label, {"position": position, "key": _key(label), "error": error, "state": STATES[state]})
        for _, state, position, label, error in every
        if state != rows.DONE
    ]
    about = journal.about
    size = os.stat(journal.path).st_size
    fields = {
        "file": journal.path,
        "bytes": size,
        "format": about["format"],
        "items_known_by": "key" if about["keyed"] else "content",
        "written_by": f"amorsize {about.get('library')} on Python {about.get('python')}",
        **{state: count.get(state, 0) for state in STATES.values()},
        "failures": [fields for _, fields in failed],
    }
    answer(options, fields, _text(fields, failed if options.failed else failed[:SHOWN_FAILED]))


def _text(fields: dict[str, Any], failed: list[tuple[str | None, dict[str, Any]]]) -> str:
    lines = [
        f"{fields['file']}: {fields['bytes']:,} bytes, {fields['format']}, items known by their "
        f"{fields['items_known_by']}, written by {fields['written_by']}",
        f"{fields['done']:,} done, {fields['failed']:,} failed, {fields['rejected']:,} rejected "
        "(bad requests, which run again with --retry-failed only)",
    ]
    for label, one in failed:
        key = "" if label is None else f" ({label[:SHOWN_CHARACTERS]})"
        lines.append(f"  item {one['position']}{key}, {one['state']}: {one['error']}")
    left = len(fields["failures"]) - len(failed)
    if left:
        lines.append(f"  and {left:,} more; --failed lists all")
    return "\n".join(lines)
