"""Hostile input, seeded and bounded in time: what comes from outside must not crash, hang or lie.

``python -m benchmarks.robustness.fuzz --seconds 600 --seed 1``; ``--only history`` for one of the
targets:

- ``history``: a file for ``amorsize history import``, by the library and by the command line;
- ``report``: an old report for ``validate --compare``;
- ``rendering``: reports with hostile names and numbers as text, Markdown, JSON and HTML;
- ``journal``: a checkpoint file.

Each case has a time limit. A failure prints the target, the seed of the case (``--seed`` repeats it
with ``--cases 1``) and the exception.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from amorsize.core.frozen import replace
from benchmarks.robustness.bad_values import NUMBERS, TEXTS, bent, broken, mixed_json

CASE_SECONDS = 5.0
"""A case that takes longer hangs; the slowest sound one takes 0.05 s."""
TAGS_OF_THE_PAGE = {
    *("html", "head", "meta", "title", "style", "link", "body", "main", "h1", "h2", "h3", "p"),
    *("table", "thead", "tbody", "tr", "th", "td", "div", "span", "details", "summary", "strong"),
    *("figure", "figcaption", "svg", "line", "path", "circle", "rect", "text", "tspan", "polyline"),
    *("g", "defs", "use"),
}
"""None of them runs code or, but for the empty icon, loads anything."""
FORBIDDEN = ("src", "href", "xlink:href", "srcdoc", "action", "style")
STYLE = re.compile(
    r"(?:[a-z-]+: [a-z0-9 .,#%'-]*(?:var\(--[a-z]+\))?[a-z0-9 .,#%'-]*(?:; |;|$))*", re.I
)
"""What a style may say that the drawing of a plot sets: nothing that loads anything."""


class Hang(BaseException):
    """A case was not done in time."""


class Problem(AssertionError):
    """A promise was broken without an exception."""


def check_text(text: str, what: str) -> None:
    """Printable everywhere: UTF-8 can hold it, and no terminal is steered by it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Problem(f"{what} cannot be printed: {text[:200]!r}") from None
    steering = [
        sign for sign in text if (ord(sign) < 32 or 127 <= ord(sign) < 160) and sign != "\n"
    ]
    if steering:
        raise Problem(f"{what} has control characters {steering[:5]!r}: {text[:200]!r}")


# -- the targets ---------------------------------------------------------------------------------------


def fuzz_history(chance: random.Random, directory: str) -> None:
    """Import of a file, twice: by the library and by the command line."""
    from amorsize.cli import main
    from amorsize.core.observation import MalformedObservation, to_line
    from amorsize.history import open_history
    from amorsize.testing.history_contract import observation

    lines = [json.dumps({"format": "amorsize-history", "schema": 1, "key": "ab" * 32})]
    for number in range(chance.randrange(6)):
        lines.append(to_line(replace(observation(number), id=f"{number:032x}")))
    rate = chance.choice((0.0, 0.02, 0.2))
    lines = [json.dumps(bent(json.loads(line), chance, rate)) for line in lines]
    content = "\n".join(lines).encode("utf-8", "surrogatepass")
    if chance.random() < 0.5:
        content = broken(content, chance)
    path = Path(directory, "import")
    path.write_bytes(content)
    with open_history(":memory:") as history:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                result = history.import_lines(file)
        except MalformedObservation as error:
            check_text(str(error), "the refusal")
        else:
            for _, reason in result.reasons:
                check_text(reason, "a reason")
            rows = list(history.read())
            if len(rows) != result.added:
                raise Problem(f"{result.added} added, {len(rows)} there")
        if problems := history.check():
            raise Problem(f"the history is not sound: {problems}")
        history.export_lines(io.StringIO())
    store = str(Path(directory, "history.sqlite"))
    code, text = run_program(main, ["history", "import", str(path), "--history", store])
    if code not in (0, 2):
        raise Problem(f"exit code {code}: {text}")
    check_text(text, "the command's output")


def run_program(main: Callable[[list[str]], int], words: list[str]) -> tuple[int, str]:
    """The command line in this process: its exit code and all it printed, as strict UTF-8."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="utf-8", errors="strict", write_through=True)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            code = main(words)
        except SystemExit as stop:
            code = int(stop.code or 0)
    return code, raw.getvalue().decode()


def some_report(chance: random.Random, *, hostile: bool) -> Any:
    """A report as `validate` and `compare` make them; with hostile names and numbers if wanted."""
    from amorsize.validation.report import Check, Decision, Outcome, Seed, ValidationReport
    from amorsize.validation.statistics import Estimate

    def text(usual: str) -> str:
        return chance.choice(TEXTS) if hostile and chance.random() < 0.4 else usual

    def number(usual: float) -> Any:
        if hostile and chance.random() < 0.2:
            return float(chance.choice([n for n in NUMBERS if n != 10**400]))
        return usual * chance.uniform(0.5, 2.0)

    def estimate() -> Estimate:
        return Estimate(number(0.01), number(0.0), number(0.02), 3)

    def seed(index: int) -> Seed:
        floats = {name: number(1.0) for name in Seed.__annotations__}
        whole = dict.fromkeys(
            ("rows", "kept", "memory_before", "memory_after", "memory_empty", "disk_before"), 100
        )
        fields: dict[str, Any] = {**floats, **whole, "disk_after": 50, "seed": index}
        return Seed(**{**fields, "certified": True})

    outcomes = tuple(
        Outcome(
            name=text(f"world {index}"),
            kind=text("redundant"),
            told=text("told"),
            strategy=text("auto"),
            noise=chance.choice((None, 0.1)),
            seeds=tuple(seed(i) for i in range(3)),
            error=estimate(),
            against_chance=estimate(),
            memory=estimate(),
            checks=(
                Check(text("error"), text("at most 5 %"), text("1 %"), chance.choice(VERDICTS)),
            ),
        )
        for index in range(chance.randrange(1, 4))
    )
    decisions = tuple(
        Decision(
            name=text(f"function {index}"),
            items=chance.randrange(1000),
            chosen=text("serial"),
            reasons=(text("why"),),
            predicted_seconds=number(1.0),
            spread=number(0.1),
            seconds={
                "loop": (number(1.0), number(1.1)),
                "amorsize": (number(1.0),),
                "config: " + text("fork 2"): (number(0.5),),
            },
            problems={text("peer"): text("died")} if chance.random() < 0.3 else {},
            verdict=chance.choice(VERDICTS),
            sentence=text("Keep it."),
        )
        for index in range(chance.randrange(3))
    )
    return ValidationReport(
        version=text("0.1"),
        python=text("3.11"),
        platform=text("linux"),
        cores=2,
        seed=1,
        seconds=number(3.0),
        complete=chance.random() < 0.8,
        outcomes=outcomes,
        decisions=decisions,
        front=tuple((number(0.1), number(0.2), number(0.3)) for _ in range(chance.randrange(4))),
        learning=tuple((i + 1, number(0.5)) for i in range(chance.randrange(4))),
        calibration=tuple((number(1.0), number(1.0)) for _ in range(chance.randrange(4))),
    )


VERDICTS = ("passed", "failed", "not decidable")


def fuzz_report(chance: random.Random, directory: str) -> None:
    """An old report to compare with: by the library, and as a file by the command line's reader."""
    from amorsize.cli.exit_codes import Stop
    from amorsize.cli.report_files import reading
    from amorsize.validation.render import UnknownReport, as_json, differences, read

    report = some_report(chance, hostile=chance.random() < 0.2)
    content = mixed_json(json.loads(as_json(report)), chance)
    try:
        before = read(content.decode("utf-8", "replace"))
        lines, worse = differences(before, report)
    except UnknownReport as error:
        check_text(str(error), "the refusal")
    else:
        for line in lines:
            check_text(line, "a difference")
        if not isinstance(worse, bool):
            raise Problem(f"worse is {worse!r}")
    path = Path(directory, "old.json")
    path.write_bytes(content)
    try:
        reading(str(path))
    except Stop as stop:
        check_text(stop.message, "the refusal")


class Page(HTMLParser):
    """Finds what must not be in a page."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """No tag that runs code, and no attribute that does or that loads anything."""
        if tag not in TAGS_OF_THE_PAGE:
            raise Problem(f"the page has a tag {tag!r}")
        for name, value in attrs:
            harmless = tag == "link" and (name, value) == ("href", "data:,")
            harmless |= tag == "use" and name == "xlink:href" and str(value).startswith("#")
            harmless |= name == "style" and STYLE.fullmatch(str(value)) is not None
            if (name.startswith("on") or name in FORBIDDEN) and not harmless:
                raise Problem(f"the page has an attribute {name}={value!r}")


def fuzz_rendering(chance: random.Random, directory: str) -> None:
    """Every form of a report with hostile names and numbers."""
    from amorsize.validation.page import page
    from amorsize.validation.render import as_json, markdown, read, text

    report = some_report(chance, hostile=True)
    check_text(text(report), "the text")
    shown = markdown(report)
    check_text(shown, "the Markdown")
    if "<script" in shown or "<img" in shown:
        raise Problem("the Markdown has mark-up of a name")
    whole = page(report)
    whole.encode()
    parser = Page()
    parser.feed(whole)
    parser.close()
    read(as_json(report))


def fuzz_journal(chance: random.Random, directory: str) -> None:
    """A checkpoint: the right results or a CheckpointError, never others."""
    import amorsize

    path = Path(directory, "journal")
    items = [f"item {number}" for number in range(chance.choice((1, 30, 300)))]
    expected = [item.upper() for item in items]
    options: dict[str, Any] = {"checkpoint": path, "history": None, "n_jobs": 1}
    options["checkpoint_format"] = chance.choice(("pickle", "json"))
    for file in Path(directory).glob("journal*"):
        file.unlink()
    if chance.random() < 0.9:
        amorsize.execute(str.upper, items, **options)
        content = path.read_bytes()
        rate = chance.random()
        data = bytearray(content)
        for _ in range(chance.choice((1, 4, 64, 1000))):
            # Most of the structure is at the beginning of pages.
            at = chance.randrange(len(data))
            data[at if rate < 0.5 else at // 4096 * 4096 + at % 128] = chance.randrange(256)
        content = bytes(data) if chance.random() < 0.8 else broken(content, chance)
    else:
        content = chance.randbytes(chance.randrange(1, 10_000))
    path.write_bytes(content)
    path.chmod(0o600)
    for suffix in ("-wal", "-journal"):
        if chance.random() < 0.1:
            beside = Path(str(path) + suffix)
            beside.write_bytes(broken(content[:5000], chance))
            beside.chmod(0o600)
    try:
        if chance.random() < 0.5:
            results = amorsize.execute(str.upper, items, **options)
        else:
            results = list(amorsize.stream(str.upper, iter(items), **options))
    except amorsize.CheckpointError as error:
        check_text(str(error), "the refusal")
        return
    if results != expected:
        raise Problem("wrong results came out of a journal")


TARGETS: dict[str, Callable[[random.Random, str], None]] = {
    "history": fuzz_history,
    "report": fuzz_report,
    "rendering": fuzz_rendering,
    "journal": fuzz_journal,
}


# -- the runs ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise :class:`Hang` in the main thread when the time is over."""

    def ring(*_: object) -> None:
        raise Hang(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def fuzz(
    seconds: float, seed: int, names: tuple[str, ...] = tuple(TARGETS), cases: int = 1 << 60
) -> tuple[dict[str, int], list[str]]:
    """Cases of each target until the time is over: how many there were, and what went wrong."""
    counts = dict.fromkeys(names, 0)
    failures: list[str] = []
    end = time.monotonic() + seconds
    number = 0
    with tempfile.TemporaryDirectory() as directory:
        while number < cases and time.monotonic() < end and len(failures) < 10:
            for name in names:
                case = f"{seed + number}"
                chance = random.Random(f"{name} {case}")
                try:
                    with time_limit(CASE_SECONDS):
                        TARGETS[name](chance, directory)
                except (Exception, Hang):
                    failures.append(f"{name} --seed {case}:\n{traceback.format_exc()}")
                counts[name] += 1
            number += 1
    return counts, failures


def main() -> int:
    """The command line of the fuzzer; 1 if anything went wrong."""
    parser = argparse.ArgumentParser(prog="benchmarks.robustness.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", type=int, default=1 << 60)
    parser.add_argument("--only", choices=TARGETS)
    options = parser.parse_args()
    os.environ["AMORSIZE_HISTORY"] = "off"
    names = (options.only,) if options.only else tuple(TARGETS)
    counts, failures = fuzz(options.seconds, options.seed, names, options.cases)
    for failure in failures:
        print(failure)
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    print(f"{told} cases, {len(failures)} failures", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
