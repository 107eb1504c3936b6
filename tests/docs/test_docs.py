"""The blocks of docs/ run, one after the other in one folder for each page; links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import ROOT
from support.blocks import RUN, SHOWN_ONLY, blocks, furnish, run_block

DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), *sorted(ROOT.glob("*.md")), ROOT / "benchmarks" / "README.md"]
GUIDES = [
    path.relative_to(DOCS).as_posix()
    for path in PAGES
    if path.is_relative_to(DOCS)
    and re.search("```(python|console)", path.read_text(encoding="utf-8"))
]

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("name", GUIDES)
def test_the_blocks_run(name: str, tmp_path: Path) -> None:
    furnish(tmp_path, DOCS / name)
    for block in blocks(DOCS / name):
        assert block.language in RUN | SHOWN_ONLY or block.language.startswith("{"), block
        if block.language in RUN:
            told = run_block(block, tmp_path)
            assert not told, f"{name}, line {block.line}:\n{told}"


def anchors(path: Path) -> set[str]:
    """What a link into this page may name: its headings as GitHub writes them."""
    heads = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)", text):
        if "://" not in target:
            path, _, heading = target.partition("#")
            found = page.parent / path if path else page
            assert found.exists(), target
            assert not heading or heading in anchors(found), target
    for path in re.findall(r"`((?:amorsize|tests|benchmarks|docs|examples)/[\w./-]+)`", text):
        assert (ROOT / path).exists() or (ROOT / f"{path}.py").exists(), path


def test_the_questions_of_a_newcomer_are_twelve_with_a_file_each() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.partition("## Twelve questions of a newcomer\n")[2].partition("\n\n## ")[0]
    rows = [row for row in table.splitlines() if row.startswith("| ")][2:]
    assert len(rows) == 12
    for row in rows:
        question, answer = row.split("|")[1:3]
        assert question.strip().endswith("?")
        assert re.search(r"`amorsize/\S+\.py`", answer), question


def test_the_glossary_has_each_word_once() -> None:
    text = (DOCS / "internals" / "glossary.md").read_text(encoding="utf-8")
    words = [word for word in re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE) if word != "Word"]
    words = [word for word in words if not word.startswith("---")]
    assert len(words) == len(set(words))
    for word in ("chunk", "slice", "ticket", "worker", "caller", "run", "item", "backend"):
        assert word in words
