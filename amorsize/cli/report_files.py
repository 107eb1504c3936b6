"""What `validate` and `compare` share: where a report goes, and what it is compared with."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from amorsize.cli.exit_codes import USAGE, Stop, usage_errors
from amorsize.validation import render
from amorsize.validation.page import page
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
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return render.read(file.read())
    except (OSError, render.UnknownReport) as error:
        raise Stop(USAGE, f"{path}: {error}") from None


def write(report: ValidationReport, options: argparse.Namespace) -> None:
    """The report in the forms asked for; as text unless JSON went to standard output."""
    if options.json == "-":
        print(render.as_json(report))
    else:
        print(render.text(report, colour=sys.stdout.isatty()))
    for path, form in (
        (options.json, render.as_json),
        (options.markdown, render.markdown),
        (options.html, page),
    ):
        if path is not None and path != "-":
            with usage_errors(OSError, name=path), open(path, "w", encoding="utf-8") as file:
                file.write(form(report))


def compared(
    before: dict[str, Any] | None, report: ValidationReport, options: argparse.Namespace
) -> bool:
    """Tell what changed; whether anything became worse."""
    if before is None:
        return False
    with usage_errors(render.UnknownReport, name=options.compare):
        lines, worse = render.differences(before, report)
    stream = sys.stderr if options.json == "-" else sys.stdout
    print("\nsince the older report:", file=stream)
    for line in lines:
        print(f"  {line}", file=stream)
    return worse
