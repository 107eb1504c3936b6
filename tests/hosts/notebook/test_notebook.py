"""The tutorial in a real kernel, the interrupt button, and what plans look like there."""

from __future__ import annotations

import os
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from support import ROOT

import amorsize
from amorsize.core.model import Config, Prediction
from amorsize.reporting.html import plan_html, run_html

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

TUTORIAL = ROOT / "docs" / "guide" / "tutorial.ipynb"


class Tags(HTMLParser):
    """Which elements are opened, and that they are closed again."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def tags(html: str) -> list[str]:
    parser = Tags()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser.seen


def test_the_tutorial_runs_from_a_clean_kernel(tmp_path: Path) -> None:
    book = nbformat.read(TUTORIAL, as_version=4)
    assert all(not cell.get("outputs") for cell in book.cells), "no outputs are kept"
    client = nbclient.NotebookClient(book, timeout=150, kernel_name="python3")
    client.execute(cwd=str(tmp_path))
    shown = [
        output.data["text/html"]
        for cell in book.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "execute_result" and "text/html" in output.data
    ]
    assert len(shown) == 4  # two plans, two runs
    for html in shown:
        assert set(tags(html)) <= {
            "div", "b", "ul", "li", "table", "tr", "th", "td", "small", "span",
        }  # fmt: skip
    written = [  # what is written in one moment comes as one message or as several
        "".join(output.get("text", "") for output in cell.outputs if output.output_type == "stream")
        for cell in book.cells
        if cell.cell_type == "code"
    ]
    bars = [text for text in written if "100%" in text]
    assert len(bars) == 2  # one bar for each run that asked for one
    assert not any("Warning" in text for text in written)


def test_the_kernel_is_not_taken_for_a_part_of_the_function(tmp_path: Path) -> None:
    """Its hook of exceptions leads to its sockets, which kept all work of a notebook in one process."""
    cells = [
        "import amorsize\ndef work(number): return sum(range(number))",
        "plan = amorsize.optimize(work, [20_000] * 100, history=None)\n"
        "from amorsize.inspection.holding import held\n"
        "found = held(work, [20_000], budget_seconds=10, most_nodes=10**6)\n"
        "print(found.found, found.unwatched, 'no processes' in plan.safety, plan.execute()[0])",
    ]
    book = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
    nbclient.NotebookClient(book, timeout=60, kernel_name="python3").execute(cwd=str(tmp_path))
    assert book.cells[1].outputs[0].text == f"() () False {sum(range(20_000))}\n"


def test_the_interrupt_button(tmp_path: Path) -> None:
    import jupyter_client

    manager, client = jupyter_client.manager.start_new_kernel(
        kernel_name="python3", cwd=str(tmp_path)
    )
    try:
        client.execute("import amorsize, os, time\nprint(os.getpid())")
        kernel = int(_output(client))
        for backend in ("spawn", "threads"):
            client.execute(
                "def long(x):\n"
                "    open('begun', 'w').close()\n"
                "    end = time.monotonic() + 0.2\n"
                "    while time.monotonic() < end: pass\n"
                "try:\n"
                f"    amorsize.execute(long, range(10_000), backend={backend!r}, n_jobs=2)\n"
                "except KeyboardInterrupt:\n"
                "    print('interrupted')"
            )
            end = time.monotonic() + 20
            while not (tmp_path / "begun").exists():
                assert time.monotonic() < end
                time.sleep(0.02)
            manager.interrupt_kernel()
            assert _output(client) == "interrupted"
            (tmp_path / "begun").unlink(missing_ok=True)
        client.execute("print(amorsize.execute(abs, [-1, 2]))")
        assert _output(client) == "[1, 2]"
        assert os.path.exists(f"/proc/{kernel}")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def _output(client: Any) -> str:
    while True:
        message = client.get_iopub_msg(timeout=30)
        if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
            return str(message["content"]["text"]).strip()
        assert message["msg_type"] != "error", message["content"]


def test_names_are_escaped() -> None:
    plan = amorsize.optimize(abs, [1, 2])
    plan.reasons = ("<script>alert(1)</script>",)
    plan.warnings = ("<img src=x onerror=alert(1)>",)
    plan.candidates = tuple(
        Prediction(Config("<b>&", number), float(number)) for number in range(1, 31)
    )
    html = plan_html(plan)
    assert set(tags(html)) <= {"div", "b", "ul", "li", "table", "tr", "th", "td"}
    assert "and 20 more" in html
    run = plan.run
    assert run is not None
    assert tags(run_html(run))


def test_a_pruning_result_and_a_report_show_themselves() -> None:
    import numpy as np

    from amorsize.pruning.history import prune_training_data
    from amorsize.validation.report import ValidationReport

    rng = np.random.default_rng(0)
    result = prune_training_data((rng.random((60, 2)), rng.random(60)))
    assert "table" in tags(result._repr_html_())
    report = ValidationReport("<i>", "3", "linux", 2, 0, 1.0, True, ())
    framed = report._repr_html_()
    assert tags(framed) == ["iframe"]
    assert "<i>" not in framed
