"""The page: well-formed, without network, and as a browser shows it."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support.reports import hostile_decision, report_of

from amorsize.core.frozen import replace
from amorsize.validation.page import page
from amorsize.validation.report import ValidationReport

pytestmark = pytest.mark.timeout(180)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def test_the_page_is_well_formed_and_alone(report: ValidationReport) -> None:
    text = page(replace(report, decisions=(hostile_decision(),)))
    tags = Tags()
    tags.feed(text)
    assert not tags.open
    names = [name for name, _ in tags.seen]
    assert names.count("svg") == 8 and "script" not in names and "img" not in names
    for name, given in tags.seen:
        if name == "svg":
            assert given["role"] == "img" and given["aria-label"]
        for attribute, value in given.items():
            if attribute in ("src", "href"):
                assert value == "data:,"
    assert "url(" not in text and "@import" not in text


def test_a_comparison_shows_its_times_and_what_failed() -> None:
    text = page(report_of(replace(hostile_decision(), problems={"joblib": "not <done>"})))
    assert "<h1>Comparison: " in text and "Not measured: joblib, not &lt;done&gt;" in text
    assert "<td>loop</td><td>1.05 s</td><td>50 ms</td>" in text and "config:" not in text


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
@pytest.mark.parametrize("size", ["1200,900", "375,800"])
def test_the_page_in_a_browser(report: ValidationReport, tmp_path: Path, size: str) -> None:
    place = tmp_path / "report.html"
    place.write_text(page(replace(report, decisions=(hostile_decision(),))), encoding="utf-8")
    log, shot = tmp_path / "net.json", tmp_path / "shot.png"
    done = subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={size}",
            "--enable-logging=stderr", "--v=0", f"--log-net-log={log}", f"--screenshot={shot}",
            "--virtual-time-budget=2000", place.as_uri(),
        ],
        capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert shot.exists(), done.stderr[-2000:]
    assert shot.stat().st_size > 10_000
    assert "CONSOLE" not in done.stderr, done.stderr[-2000:]
    asked = set(re.findall(r'"url":"(https?://[^"]+)"', log.read_text(errors="replace")))
    own = {url for url in asked if "google" not in url and "gstatic" not in url}
    assert not own, own
