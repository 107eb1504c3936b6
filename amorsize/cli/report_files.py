"""What `validate` and `compare` share: where a report goes, and what it is compared with."""

from __future__ import annotations

import sys

from amorsize.cli.exit_codes import USAGE, Stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from amorsize.validation.report import ValidationReport


def add_reports(parser: argparse.ArgumentParser) -> None:
    """Add the words about reports."""
    group = parser.add_argument_group("report")
    group.add_argument("--json", metavar="FILE", help="write it as JSON; - is standard output")
    group.add_argument("--markdown", metavar="FILE", help="write it as Markdown")
    group.add_argument("--html", metavar="FILE", help="write it as a page that needs no network")
    group.add_argument("--compare", metavar="OLD.json", help="show what changed; fail if worse")


def reading(path: str | None) -> dict[str, Any] | None:
    """The report to compare with, read before anything is measured."""
    if path is None:
        return None
    from amorsize.validation.render import UnknownReport, read

    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return read(file.read())
    except (OSError, UnknownReport) as error:
        raise Stop(USAGE, f"{path}: {error}") from None


def write(report: ValidationReport, options: argparse.Namespace) -> None:
    """The report in the forms asked for; as text unless JSON went to standard output."""
    from amorsize.validation import render as rendering

    if options.json == "-":
        print(rendering.as_json(report))
    else:
        print(rendering.text(report, colour=sys.stdout.isatty()))
    for path, render in (
        (options.json, rendering.as_json),
        (options.markdown, rendering.markdown),
        (options.html, _page),
    ):
        if path is None or path == "-":
            continue
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.write(render(report))
        except OSError as error:
            raise Stop(USAGE, f"{path}: {error.strerror}") from None


def _page(report: ValidationReport) -> str:
    from amorsize.validation.page import page

    return page(report)


def compared(
    before: dict[str, Any] | None, report: ValidationReport, options: argparse.Namespace
) -> bool:
    """Tell what changed; whether anything became worse."""
    if before is None:
        return False
    from amorsize.validation.render import UnknownReport, differences

    try:
        lines, worse = differences(before, report)
    except UnknownReport as error:
        raise Stop(USAGE, f"{options.compare}: {error}") from None
    stream = sys.stderr if options.json == "-" else sys.stdout
    print("\nsince the older report:", file=stream)
    for line in lines:
        print(f"  {line}", file=stream)
    return worse
