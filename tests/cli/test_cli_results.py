"""Results and failures of items as the command line writes them, and its job log."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from support.commands import call, one_line, results

import amorsize
from amorsize.cli.messages import index_of, origin
from amorsize.items.call import with_origin

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("backend", ["serial", "threads", "processes", "auto", "serial,threads"])
def test_results_are_in_order_on_every_backend(place: Path, backend: str) -> None:
    done = call(place, "run", "jobs:work", "--range", "200", "--backend", backend, "-j", "2")
    assert results(done) == [sum(range(20_000)) + i for i in range(200)]


def test_output_goes_to_a_file(place: Path) -> None:
    done = call(place, "run", "jobs:double", "--range", "3", "--output", "out.jsonl")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (place / "out.jsonl").read_text() == "0\n2\n4\n"


@pytest.mark.parametrize(("name", "kind"), [("as_set", "set"), ("not_a_number", "float")])
def test_what_json_cannot_hold_fails_and_names_item_and_type(
    place: Path, name: str, kind: str
) -> None:
    line = one_line(call(place, "run", f"jobs:{name}", "tea"), 1)
    for part in ("item 0", "'tea'", f"type {kind}", "--repr"):
        assert part in line


def test_repr_writes_what_json_cannot_hold_as_text(place: Path) -> None:
    assert results(call(place, "run", "jobs:as_set", "--repr", "tea")) == ["{'tea'}"]


# -- failures of items ---------------------------------------------------------------------------


def test_raise_names_the_item_and_stops(place: Path) -> None:
    done = call(place, "run", "jobs:inverse", "--json-items", "1", "2", "0", "4")
    line = one_line(done, 1)
    assert "item 2 (0): ZeroDivisionError: division by zero" in line
    assert done.stdout in ("", "1.0\n", "1.0\n0.5\n")


def test_the_outer_item_is_named_when_a_call_inside_failed(place: Path) -> None:
    done = call(place, "run", "jobs:nested", "--range", "4", "--backend", "serial")
    assert "item 2 (2): ZeroDivisionError" in one_line(done, 1)
    line = one_line(call(place, "plan", "jobs:nested", "--range", "4"), 1)
    assert "item 2: ZeroDivisionError" in line


@pytest.mark.parametrize("command_name", ["run", "plan"])
@pytest.mark.parametrize(
    ("name", "part"), [("unplugged", "BrokenPipeError: [Errno 32]"), ("misused", "n_jobs=0")]
)
def test_what_the_function_raises_is_never_taken_for_our_own_trouble(
    place: Path, command_name: str, name: str, part: str
) -> None:
    line = one_line(call(place, command_name, f"jobs:{name}", "--range", "3"), 1)
    assert line.startswith("amorsize: item 0")
    assert part in line


@pytest.mark.parametrize("on_error", ["raise", "collect"])
def test_index_of_agrees_with_the_engine(on_error: str) -> None:
    data = [1.0] * 7 + [0.0]
    if on_error == "collect":
        error = amorsize.execute(lambda x: 1 / x, data, on_error="collect")[7]
        assert isinstance(error, amorsize.ItemError)
        assert (index_of(error), origin(error)) == (7, "")
        return
    with pytest.raises(ZeroDivisionError) as raised:
        amorsize.execute(lambda x: 1 / x, data)
    assert index_of(raised.value) == 7
    assert origin(raised.value) == " (raised by item 7 of the data)"


def test_an_index_that_is_not_exact_is_told_in_words() -> None:
    error = with_origin(ValueError("no"), 2)
    with_origin(error, 5, at_least=True)
    assert index_of(error) is None
    assert origin(error) == " (raised by an item after the first 5 of the data)"


def test_skip_leaves_the_item_out(place: Path) -> None:
    words = ("--json-items", "1", "0", "4", "--on-error", "skip")
    done = call(place, "run", "jobs:inverse", *words)
    assert done.stdout == "1.0\n0.25\n"
    assert "1 of 3 items" in one_line(done, 1)


def test_collect_writes_an_error_in_the_items_place(place: Path) -> None:
    done = call(place, "run", "jobs:inverse", "--range=-1:2", "--on-error", "collect")
    one_line(done, 1)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        -1.0,
        {"error": {"index": 1, "type": "ZeroDivisionError", "message": "division by zero"}},
        1.0,
    ]


def test_traceback_shows_where_the_function_raised(place: Path) -> None:
    done = call(place, "run", "jobs:inverse", "--json-items", "--traceback", "0")
    assert done.returncode == 1
    assert "jobs.py" in done.stderr
    assert "return 1 / x" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("amorsize: item 0 (0)")


def test_death_of_a_worker_is_one_line(place: Path) -> None:
    done = call(place, "run", "jobs:die", "--range", "4", "--backend", "processes", "-j", "2")
    assert "worker" in one_line(done, 1)


# -- job log -------------------------------------------------------------------------------------


def read_log(path: Path) -> list[dict[str, str]]:
    head, *lines = [line.split("\t") for line in path.read_text().splitlines()]
    assert head == ["Seq", "Start", "Runtime", "Exitval", "Item"]
    return [dict(zip(head, line, strict=True)) for line in lines]


@pytest.mark.parametrize("backend", ["serial", "threads", "processes"])
def test_joblog_times_each_item_where_it_ran(place: Path, backend: str) -> None:
    before = time.time()
    words = ("--range", "12", "--joblog", "log", "--backend", backend, "-j", "2")
    done = call(place, "run", "jobs:wait", *words)
    after = time.time()
    assert results(done) == list(range(12))
    log = read_log(place / "log")
    assert [line["Seq"] for line in log] == [str(i + 1) for i in range(12)]
    assert [json.loads(line["Item"]) for line in log] == list(range(12))
    assert {line["Exitval"] for line in log} == {"0"}
    for line in log:
        assert before <= float(line["Start"]) + 0.001
        assert float(line["Start"]) <= after
        assert 0.02 <= float(line["Runtime"]) < after - before


def test_joblog_keeps_failures_with_their_times(place: Path) -> None:
    words = ("--range", "3", "--joblog", "log", "--on-error", "skip", "--backend", "processes")
    assert call(place, "run", "jobs:inverse", *words).returncode == 1
    log = read_log(place / "log")
    assert [line["Exitval"] for line in log] == ["1", "0", "0"]
    assert all(float(line["Runtime"]) >= 0 for line in log)


def test_joblog_keeps_tabs_and_ends_of_lines_out(place: Path) -> None:
    results(call(place, "run", "jobs:upper", "--joblog", "log", "a\tb\nc"))
    (line,) = read_log(place / "log")
    assert json.loads(line["Item"]) == "a\tb\nc"


@pytest.mark.parametrize("on_error", ["collect", "skip"])
def test_so_many_errors_end_the_run(place: Path, on_error: str) -> None:
    words = ["--range", "500", "--on-error", on_error, "--max-errors", "20"]
    done = call(place, "run", "jobs:unplugged", *words)
    assert done.returncode == 1
    assert "20 of " in done.stderr
    assert "max_errors=20" in done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == (20 if on_error == "collect" else 0)
    refused = call(place, "run", "jobs:unplugged", "--range", "3", "--max-errors", "20")
    assert "max_errors" in one_line(refused, 2)


@pytest.mark.parametrize("rate", ["3000/min", "50", "50/s"])
def test_a_rate_bounds_the_calls(place: Path, rate: str) -> None:
    """One second's worth at once, 25 more in half a second."""
    began = time.monotonic()
    done = call(place, "run", "jobs:double", "--range", "75", "--rate", rate)
    assert results(done) == [2 * number for number in range(75)]
    assert time.monotonic() - began > 0.45
    assert "rate" in one_line(
        call(place, "run", "jobs:double", "--range", "3", "--rate", "often"), 2
    )


def test_coroutines_have_a_job_log_too(place: Path) -> None:
    text = "async def half(x):\n    return 8 / x\n"
    (place / "later.py").write_text(text)
    words = ["--json-items", "1", "0", "2", "--on-error", "skip", "--joblog", "log"]
    done = call(place, "run", "later:half", *words)
    assert done.stdout.split() == ["8.0", "4.0"]
    lines = [line.split("\t") for line in (place / "log").read_text().splitlines()[1:]]
    assert [line[3] for line in lines] == ["0", "1", "0"]
    assert all(float(line[1]) > 0 and float(line[2]) >= 0 for line in lines)
