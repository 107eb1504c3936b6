"""What holds for the whole session: no test is skipped in secret, no process is left over."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import tqdm.std
from support import work
from support.skips import allowed_skips, forbidden_skips, reason_not_to_run
from support.windows import linux_facility

from amorsize.core.model import Crowd

os.environ["AMORSIZE_HISTORY"] = (
    "off"  # nobody's history learns from tests; those of it name their own
)

# The monitor thread of other people's bars would outlive its test, and no later one could fork.
tqdm.std.tqdm.monitor_interval = 0

ALLOWED_SKIPS = Path(__file__).with_name("allowed_skips.txt")
NOT_RUN = (
    allowed_skips(ALLOWED_SKIPS.with_name("wine_skips.txt").read_text(encoding="utf-8"))
    if sys.platform == "win32"
    else []
)
"""Tests, and whole files, that this system cannot run, with reasons."""
FAREWELL_SECONDS = 5.0
"""How long children may take to end after the last test."""
PATIENCE = 3
"""A time limit ends what hangs. It is written for a machine at rest and counts this many times: on one
that does other work, too, everything takes longer."""

_skipped: list[tuple[str, str]] = []
"""Node id and reason of each skipped test."""


def living_children() -> dict[int, str]:
    """Children of this process, zombies too: process id and command line. Linux and Windows only."""
    if sys.platform == "win32":
        return work.children_by_psutil()
    found: dict[int, str] = {}
    try:
        tasks = os.listdir("/proc/self/task")
    except OSError:
        return found
    for task in tasks:
        try:
            pids = Path(f"/proc/self/task/{task}/children").read_text().split()
        except OSError:
            continue
        for pid in pids:
            found[int(pid)] = work.command(int(pid)) or "(ended)"
    return found


def leftover_children(seconds: float = FAREWELL_SECONDS) -> dict[int, str]:
    """Children that are still there after ``seconds``."""
    _stop_warm_workers()
    end = time.monotonic() + seconds
    while True:
        left = {
            pid: text
            for pid, text in living_children().items()
            if not any(name in text for name in work.TRACKERS)
        }
        if not left or time.monotonic() >= end:
            return left
        time.sleep(0.05)


def _stop_warm_workers() -> None:
    """Workers that stay warm by design: ours until their idle limit, and those of loky."""
    spawn = sys.modules.get("amorsize.backends.processes.spawn")
    while spawn is not None and (warm := spawn._take_idle()) is not None:
        spawn._end(warm)
    loky = sys.modules.get("loky.reusable_executor")
    executor = getattr(loky, "_executor", None)
    if executor is not None:
        executor.shutdown(wait=True)


@pytest.fixture(autouse=True)
def nobody_else_wants_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests run side by side, and small jobs stay in the caller where others want the cores."""
    monkeypatch.setattr("amorsize.engine.lookups.crowd_now", lambda share: Crowd())


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _skipped.append((report.nodeid, reason.removeprefix("Skipped: ")))


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _skipped.append((report.nodeid, reason.removeprefix("Skipped: ")))


_problems: list[str] = []


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files that this system cannot run are not imported; None leaves others to pytest."""
    if not NOT_RUN or not collection_path.is_file():
        return None
    place = collection_path.relative_to(config.rootpath).as_posix()
    return True if reason_not_to_run(place, NOT_RUN) is not None else None


def params_of(item: pytest.Item) -> dict[str, object]:
    """The parameters that a test is run with."""
    return getattr(getattr(item, "callspec", None), "params", {})


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests after which the process keeps foreign threads come last: others have to fork."""
    items.sort(key=lambda item: item.get_closest_marker("leaves_threads") is not None)
    for item in items if NOT_RUN else []:
        if (reason := reason_not_to_run(item.nodeid, NOT_RUN)) is not None:
            item.add_marker(pytest.mark.skip(reason=reason))
        elif any(str(value) == "fork" for value in params_of(item).values()):
            item.add_marker(pytest.mark.skip(reason="Linux: fork"))
    usual = float(config.getini("timeout"))
    for item in items if config.getoption("timeout") is None else []:
        mark = item.get_closest_marker("timeout")
        seconds = float(mark.args[0]) if mark is not None else usual
        item.add_marker(pytest.mark.timeout(PATIENCE * seconds), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What asks for a facility of Linux elsewhere is skipped, not failed."""
    report = yield
    if NOT_RUN and report.failed and call.excinfo is not None:
        facility = linux_facility(call.excinfo.value)
        if facility is not None:
            path, line, _ = item.location
            report.outcome = "skipped"
            report.longrepr = path, (line or 0) + 1, f"Skipped: Linux: {facility}"
    return report


@pytest.fixture(autouse=True, scope="module")
def leaves_no_process(request: pytest.FixtureRequest) -> Iterator[None]:
    """A module's processes end with it: the next one counts its own, and says whose fault it is."""
    yield
    for pid, command in leftover_children().items():
        _problems.append(f"a process was left over by {request.node.nodeid}: {pid} {command}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a session that skipped what it must not, or left processes behind."""
    if os.environ.get("CI") == "true":
        allowed = allowed_skips(ALLOWED_SKIPS.read_text())
        for node, reason in forbidden_skips(_skipped, allowed):
            _problems.append(
                f"skipped, and {ALLOWED_SKIPS.name} does not allow it: {node}: {reason}"
            )
    for pid, command in leftover_children().items():
        _problems.append(f"a process was left over: {pid} {command}")
    if _problems and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _problems:
        terminalreporter.section("problems of the whole session", red=True)
        for problem in _problems:
            terminalreporter.write_line(problem)
