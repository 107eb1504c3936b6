"""A report as text, Markdown and JSON; how two reports differ."""

from __future__ import annotations

import json
from statistics import median

from amorsize.validation.report import FAILED, PASSED, SCHEMA, UNDECIDED, contender

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from amorsize.validation.report import Decision, Outcome, ValidationReport

COLOURS = {PASSED: "\033[32m", FAILED: "\033[31m", UNDECIDED: "\033[33m"}
PLAIN = "\033[0m"
"""Escape sequences of a terminal."""
WORSE_ERROR, WORSE_MEMORY, WORSE_REGRET = 0.02, 0.05, 0.10
"""Rise of a relative error change, fall of the share of memory freed, and rise of a regret beyond which
`differences` calls a result worse."""


def printable(text: str) -> str:
    """Text that is safe on any terminal: control characters and lone surrogates are spelled out."""
    if text.isprintable():
        return text
    return "".join(
        [
            sign if sign.isprintable() else " " if sign == "\n" else ascii(sign)[1:-1]
            for sign in text
        ]
    )


def clean(value: Any) -> Any:
    """A report, or a part of it, whose texts are all printable."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, tuple):
        return tuple([clean(one) for one in value])
    if isinstance(value, dict):
        return {clean(key): clean(one) for key, one in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        return type(value)(**{name: clean(one) for name, one in vars(value).items()})
    return value


def header(report: ValidationReport) -> str:
    """Where and how it was measured."""
    ended = "" if report.complete else "; ended early: incomplete"
    return (
        f"amorsize {report.version}, Python {report.python}, {report.platform}, "
        f"{report.cores} cores, seed {report.seed}, {_duration(report.seconds)}{ended}"
    )


HEAD = (
    "Scenario",
    "Rows",
    "Kept",
    "Memory freed",
    "Error",
    "By chance",
    "Faster",
    "Prune",
    "Verdict",
)


COLUMNS = (
    "Error: change of the root mean squared error at fresh rows by pruning, with its 95\u00a0% limits. "
    "By chance: the same if as many rows are deleted at random. Faster: time of one prediction before, "
    "over that after. Prune: how long pruning took."
)
"""What the columns are; medians or means over the seeds of a scenario."""


def row(outcome: Outcome) -> tuple[str, ...]:
    """One line of the table."""
    seeds = outcome.seeds
    if outcome.kind == "forecasts":
        return (outcome.name, *[""] * (len(HEAD) - 2), outcome.verdict)
    if not seeds:  # a user's history
        rows = next((check.measured for check in outcome.checks if check.name == "rows"), "")
        return (outcome.name, rows, "", f"{outcome.memory.mean:.0%}", f"{outcome.error.mean:+.1%}",
                "", "", "", outcome.verdict)  # fmt: skip
    return (
        outcome.name,
        f"{seeds[0].rows:,}",
        f"{median([one.kept for one in seeds]):,.0f}",
        f"{outcome.memory.mean:.0%}",
        str(outcome.error) if len(seeds) > 1 else f"{outcome.error.mean:+.1%}",
        f"{sum([one.chance_change for one in seeds]) / len(seeds):+.1%}",
        f"{_short(median([one.speed_up for one in seeds]), 1)}x",
        f"{_short(median([one.seconds for one in seeds]), 2)} s",
        outcome.verdict,
    )


def _short(value: float, digits: int) -> str:
    """A figure with so many digits after the point below 100, and none above."""
    return f"{value:.{digits}f}" if value < 100 else f"{value:,.0f}"


def text(report: ValidationReport, *, colour: bool = False) -> str:
    """For the terminal."""
    report = clean(report)
    lines = [header(report), ""]
    if report.outcomes:
        lines += _table([HEAD, *[row(one) for one in report.outcomes]], colour)
        lines += ["", _summary(report)]
    for outcome in report.outcomes:
        bad = [check for check in outcome.checks if check.verdict != PASSED]
        for check in bad:
            lines.append(
                f"  {outcome.name}: {check.name} {check.verdict}: wanted {check.bound}, "
                f"measured {check.measured}"
            )
    for decision in report.decisions:
        lines += ["", *_decision(decision)]
    return "\n".join(lines)


def _summary(report: ValidationReport) -> str:
    parts = []
    for kind in ("classic", "further", "forecasts", "own"):
        passed, count = report.counted(kind)
        if count:
            parts.append(f"{kind} {passed} of {count}")
    return f"passed: {', '.join(parts)}" + ("" if report.complete else " (incomplete)")


def _table(rows: Sequence[Sequence[str]], colour: bool) -> list[str]:
    widths = [max(len(line[i]) for line in rows) for i in range(len(rows[0]))]
    found = []
    for number, line in enumerate(rows):
        cells = [
            cell.ljust(width) if i in (0, len(line) - 1) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        if colour and number and line[-1] in COLOURS:
            cells[-1] = f"{COLOURS[line[-1]]}{cells[-1]}{PLAIN}"
        found.append("  ".join(cells).rstrip())
        if not number:
            found.append("-" * len(found[0]))
    return found


def _decision(decision: Decision) -> list[str]:
    lines = [
        f"{decision.name}, {decision.items:,} items: {decision.verdict}",
        f"  {decision.sentence}",
    ]
    for name, middle, spread in times(decision):
        mark = " <-" if name == "amorsize" else ""
        lines.append(f"  {middle:>9} ± {spread:>8}  {name}{mark}")
    failed = decision.problems.items()
    lines += [f"    {'failed':>7}  {contender(name)}: {what}" for name, what in failed]
    return lines


def times(decision: Decision) -> list[tuple[str, str, str]]:
    """Name, median and half the range of each contender's runs, the fastest first."""
    found = []
    for name in sorted(decision.seconds, key=decision.median):
        each = decision.seconds[name]
        spread = (max(each) - min(each)) / 2
        found.append((contender(name), _time(decision.median(name)), _time(spread)))
    return found


def _duration(seconds: float) -> str:
    """How long a report took to make."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _time(seconds: float) -> str:
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * factor >= 1.0:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.2g} µs"


def markdown(report: ValidationReport) -> str:
    """For a repository or a ticket."""
    report = clean(report)
    what = "Validation" if report.outcomes or not report.decisions else "Comparison"
    lines = [f"# {what}", "", _escaped(header(report)), ""]
    if report.outcomes:
        lines += [_line(HEAD), _line(["---"] + ["---:"] * (len(HEAD) - 2) + ["---"])]
        lines += [_line([_escaped(cell) for cell in row(one)]) for one in report.outcomes]
        lines += ["", _summary(report), "", "## Checks", ""]
        lines += [_line(("Scenario", "Check", "Bound", "Measured", "Verdict")), _line(["---"] * 5)]
        lines += [
            _line([_escaped(cell) for cell in (one.name, c.name, c.bound, c.measured, c.verdict)])
            for one in report.outcomes
            for c in one.checks
        ]
    for decision in report.decisions:
        lines += ["", f"## {_escaped(decision.name)}", "", _escaped(decision.sentence), ""]
        lines += [_line(("Contender", "Median")), _line(("---", "---:"))]
        lines += [_line((_escaped(name), middle)) for name, middle, _ in times(decision)]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(cell: str) -> str:
    """A name cannot end its cell or begin mark-up."""
    found = cell.replace("\\", "\\\\").replace("|", "\\|").replace("`", "\\`")
    return found.replace("<", "&lt;").replace("\n", " ")


def as_json(report: ValidationReport) -> str:
    """The documented form."""
    return json.dumps(_finite(report.to_dict()), indent=1, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return value


class UnknownReport(ValueError):
    """A file that is not a report of this version; the text says what to do."""


def read(source: str) -> dict[str, Any]:
    """A report's JSON, checked as far as `differences` needs it."""
    try:
        found = json.loads(source)
    except (ValueError, RecursionError) as error:
        raise UnknownReport(f"not a report: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get("outcomes"), list):
        raise UnknownReport("not a report: no outcomes; make one by amorsize validate --json")
    if found.get("schema") != SCHEMA:
        raise UnknownReport(
            f"schema {printable(str(found.get('schema'))[:20])}: this version of amorsize reads {SCHEMA}"
        )
    return found


def differences(before: dict[str, Any], after: ValidationReport) -> tuple[list[str], bool]:
    """What changed since an older report, a line each; and whether anything became worse."""
    after = clean(after)
    old = _by_name(before["outcomes"])
    lines, worse = [], False
    for outcome in after.outcomes:
        known = old.get(outcome.name)
        if known is None:
            lines.append(f"{outcome.name}: new, {outcome.verdict}")
            continue
        if "verdict" not in known:
            raise UnknownReport(f"{outcome.name}: its figures are missing in the old report")
        verdict = printable(str(known["verdict"]))
        error = _figure(known, outcome.name, "figures are", "error", "mean")
        memory = _figure(known, outcome.name, "figures are", "memory", "mean")
        bad = verdict == PASSED != outcome.verdict
        bad |= outcome.error.mean > error + WORSE_ERROR
        bad |= outcome.memory.mean < memory - WORSE_MEMORY
        worse |= bad
        lines.append(
            f"{outcome.name}: {verdict} -> {outcome.verdict}, error {error:+.1%} -> "
            f"{outcome.error.mean:+.1%}, memory freed {memory:.0%} -> {outcome.memory.mean:.0%}"
            + (" (worse)" if bad else "")
        )
    decisions = before.get("decisions") or []
    if not isinstance(decisions, list):
        raise UnknownReport("not a report: its decisions are no list")
    decided = _by_name(decisions)
    for decision in after.decisions:
        known = decided.get(decision.name)
        if known is None:
            lines.append(f"{decision.name}: new, regret {decision.regret:.2f}")
            continue
        regret = _figure(known, decision.name, "regret is", "regret")
        bad = decision.regret > regret + WORSE_REGRET
        worse |= bad
        lines.append(
            f"{decision.name}: regret {regret:.2f} -> {decision.regret:.2f}"
            + (" (worse)" if bad else "")
        )
    missing = old.keys() - {one.name for one in after.outcomes}
    lines += [f"{name}: not measured this time" for name in sorted(missing)]
    return lines, worse


def _by_name(parts: list[Any]) -> dict[str, dict[str, Any]]:
    """Parts of an older report by their name."""
    return {printable(str(one.get("name"))): one for one in parts if isinstance(one, dict)}


def _figure(part: Any, name: str, what: str, *path: str) -> float:
    """A figure of an older report; ``path``: the keys that lead to it."""
    try:
        for key in path:
            part = part[key]
        return float(part)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise UnknownReport(f"{name}: its {what} missing in the old report") from None
