"""The page of ``make everywhere``, and the table of platforms that is made from its rows."""

from __future__ import annotations

import re

from support.packages import ROOT

TABLE = ROOT / "docs" / "reference" / "everywhere.md"
PLATFORMS = ROOT / "docs" / "reference" / "platforms.md"
MOST_SHOWN = 40
"""Failures that are named on the page."""
UNDER_WINE = "Windows, under Wine"
HEAD = """# Everywhere: the tests on other Pythons

Written by `make everywhere`: the newest result of each Python and choice of tests. *Part* is what
depends on the interpreter: reading functions, engine, calls, streams, backends, coroutines, the suite
"same as the loop"; *quick part* is some of it (under Wine: some of every package).

| System | Python | Tests | Result | NumPy | Commit | When |
| --- | --- | --- | --- | --- | --- | --- |
"""
BEGIN, END = "<!-- tested: written with the rows of everywhere.md -->\n", "<!-- /tested -->"
"""What the table of platforms stands between."""
SHOWN = """| System | Python | How | Tests | Result | NumPy | When |
| --- | --- | --- | --- | --- | --- | --- |
"""


def keep(cells: list[str], failed: list[str]) -> None:
    """Put a row, and its failures, in the place of an older one of the same system, Python and tests."""
    text = TABLE.read_text(encoding="utf-8") if TABLE.exists() else HEAD
    rows = {tuple(cells_of(line)[:3]): line for line in rows_of(text)}
    rows[tuple(cells[:3])] = f"| {' | '.join(cells)} |"
    pages = pages_of(text)
    title = f"{cells[1]}, {cells[2]}: what failed"
    pages.pop(title, None)
    if failed:
        names = [f"- `{name}`" for name in failed[:MOST_SHOWN]]
        names += [f"- and {len(failed) - MOST_SHOWN} more"] if len(failed) > MOST_SHOWN else []
        pages[title] = "\n".join(["", *names])
    write([line for _, line in sorted(rows.items())], pages)


def keep_page(title: str, lines: list[str]) -> None:
    """Put a part below the table, in the place of an older one."""
    text = TABLE.read_text(encoding="utf-8")
    write(rows_of(text), {**pages_of(text), title: "\n".join(lines)})


def rows_of(text: str) -> list[str]:
    """The rows of the page's own table."""
    return re.findall(r"^\| (?!System|---).*$", text.partition("\n## ")[0], re.MULTILINE)


def cells_of(row: str) -> list[str]:
    """The cells of a row."""
    return [cell.strip() for cell in row.split("|")[1:-1]]


def pages_of(text: str) -> dict[str, str]:
    """The parts of the page below its table, by title."""
    return dict(part.split("\n", 1) for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:])


def write(rows: list[str], pages: dict[str, str]) -> None:
    """Write the page anew, and its rows into that of platforms."""
    body = HEAD + "\n".join(rows) + "\n"
    body += "".join(f"\n## {name}\n{page.rstrip()}\n" for name, page in sorted(pages.items()))
    TABLE.write_text(body, encoding="utf-8")
    text = PLATFORMS.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    PLATFORMS.write_text(
        before + BEGIN + shown(rows) + END + rest.partition(END)[2], encoding="utf-8"
    )


def shown(rows: list[str]) -> str:
    """The table of platforms: system, Python, how, what was tested, what came, NumPy, when."""
    lines = []
    for row in rows:
        system, python, tests, came, numpy, _, when = cells_of(row)
        how = "under Wine" if system == UNDER_WINE else "real"
        system = system.partition(", under")[0]
        lines.append(f"| {' | '.join([system, python, how, tests, came, numpy, when])} |\n")
    return SHOWN + "".join(lines)
