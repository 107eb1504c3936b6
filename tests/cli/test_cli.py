"""The command line, run as a user runs it: in a process of its own, from a directory of its own."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import amorsize
from amorsize.cli.commands import COMMANDS
from amorsize.cli.exit_codes import BROKEN_PIPE
from amorsize.cli.messages import index_of, origin
from amorsize.core.backends import PUBLIC_NAMES
from amorsize.items.call import with_origin

pytestmark = pytest.mark.timeout(60)

JOBS = """
import math, os, sys, time

def upper(text): return text.upper()
def double(x): return 2 * x
def inverse(x): return 1 / x
def wait(x): time.sleep(0.02); return x
def nap(x): time.sleep(30); return x
def big(x): return str(x) * 2000
def as_set(x): return {x}
def not_a_number(x): return math.nan
def keyed(x): return {"got": x}
def die(x): os._exit(7)
def work(x): return sum(range(20_000)) + x
def unplugged(x): raise BrokenPipeError(32, "a socket was closed")
def misused(x):
    import amorsize
    return amorsize.execute(abs, [x], n_jobs=0)
def nested(x):
    import amorsize
    return amorsize.execute(inverse, [1, 2, 3, 4, 5, 0] if x == 2 else [1])
def touch(x):
    with open("ran", "a") as file: file.write(f"{x}\\n")
    return x
class Math:
    @staticmethod
    def triple(x): return 3 * x
number = 3
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with a module of functions and one that cannot be imported."""
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "broken.py").write_text("import missing_thing\n")
    (tmp_path / "raising.py").write_text("raise RuntimeError('no\\nluck')\n")
    return tmp_path


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "amorsize", *words]


def call(place: Path, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``amorsize WORDS`` in ``place``; ``given`` is its standard input."""
    return subprocess.run(
        command(*words), cwd=place, input=given, capture_output=True, text=True, timeout=45
    )


def results(done: subprocess.CompletedProcess[str]) -> list[Any]:
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def one_line(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The only line on standard error, with the right exit code."""
    assert done.returncode == code, (done.returncode, done.stderr)
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("amorsize: ")
    return lines[0]


# -- items ---------------------------------------------------------------------------------------


def test_items_from_arguments_stay_text(place: Path) -> None:
    assert results(call(place, "run", "jobs:double", "1", "b")) == ["11", "bb"]


def test_json_items_are_values(place: Path) -> None:
    done = call(place, "run", "jobs:double", "--json-items", "1", "[2]", '"c"')
    assert results(done) == [2, [2, 2], "cc"]


@pytest.mark.parametrize(
    "words",
    [
        ["run", "jobs:upper", "-j", "2", "a", "b"],
        ["run", "-j", "2", "jobs:upper", "a", "b"],
        ["run", "jobs:upper", "a", "-j", "2", "b"],
        ["run", "jobs:upper", "a", "b", "-j2"],
        ["run", "jobs:upper", "-j2", "--", "a", "b"],
        ["run", "-j2", "--", "jobs:upper", "a", "b"],
    ],
)
def test_options_may_stand_anywhere(place: Path, words: list[str]) -> None:
    assert results(call(place, *words)) == ["A", "B"]


def test_items_after_two_dashes_may_look_like_options(place: Path) -> None:
    assert results(call(place, "run", "jobs:upper", "--", "-x", "--repr", "--")) == [
        "-X",
        "--REPR",
        "--",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5", range(5)), ("2:6", range(2, 6)), ("9:0:-3", range(9, 0, -3)), ("0", range(0))],
)
def test_range(place: Path, text: str, expected: range) -> None:
    assert results(call(place, "run", "jobs:double", "--range", text)) == [2 * i for i in expected]


def test_lines_of_a_file(place: Path) -> None:
    content = "a\r\n\nlong " + "x" * 200_000 + "\nü\nlast without end"
    (place / "in.txt").write_bytes(content.encode())
    expected = [line.removesuffix("\r").upper() for line in content.split("\n")]
    assert results(call(place, "run", "jobs:upper", "--input", "in.txt")) == expected


def test_bytes_that_are_no_utf8_survive(place: Path) -> None:
    (place / "in.txt").write_bytes(b"caf\xe9\n")
    done = call(place, "run", "os:fsencode", "--input", "in.txt", "--repr")
    assert results(done) == [repr(b"caf\xe9")]


@pytest.mark.parametrize("words", [["--input", "in.jsonl"], ["--input", "-", "--jsonl"]])
def test_json_lines(place: Path, words: list[str]) -> None:
    values = [1, "two", None, [3], {"four": 4.5}]
    text = "\n\n".join(map(json.dumps, values)) + "\n"
    (place / "in.jsonl").write_text(text)
    assert results(call(place, "run", "jobs:keyed", *words, given=text)) == [
        {"got": value} for value in values
    ]


def test_glob_sorts_and_goes_into_directories(place: Path) -> None:
    (place / "sub").mkdir()
    for name in ("b.csv", "a.csv", "sub/c.csv"):
        (place / name).touch()
    done = call(place, "run", "jobs:upper", "--glob", "**/*.csv", "--glob", "b.csv")
    assert results(done) == ["A.CSV", "B.CSV", "SUB/C.CSV", "B.CSV"]


def test_standard_input_is_answered_while_it_is_open(place: Path) -> None:
    words = command("run", "jobs:upper", "--input", "-")
    with subprocess.Popen(
        words, cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        for word in ("one", "two"):
            process.stdin.write(word + "\n")
            process.stdin.flush()
            assert process.stdout.readline() == json.dumps(word.upper()) + "\n"
        process.stdin.close()
        assert process.wait(20) == 0


def test_endless_input_is_not_read_far_ahead_of_a_reader_that_stalls(place: Path) -> None:
    words = command("run", "jobs:upper", "--input", "-")
    process = subprocess.Popen(words, cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    descriptor = process.stdin.fileno()
    os.set_blocking(descriptor, False)
    block, written = b"some line of text\n" * 256, 0
    try:
        limit = 64 << 20
        while written < limit and select.select([], [descriptor], [], 3.0)[1]:
            written += os.write(descriptor, block)
        # Two pipes of 64 KiB, one read, and a window of at most 4,096 lines come to 0.4 MB.
        assert written < 1 << 20
        assert process.poll() is None
    finally:
        process.stdout.close()
        process.stdin.close()
        assert process.wait(20) == BROKEN_PIPE


# -- results -------------------------------------------------------------------------------------


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


# -- decisions -----------------------------------------------------------------------------------


def test_dry_run_runs_nothing(place: Path) -> None:
    done = call(place, "run", "jobs:touch", "--range", "5", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "0\n1\n2\n3\n4\n"
    assert "none of them was run" in done.stderr
    assert "jobs:touch" in done.stderr
    assert not (place / "ran").exists()


def test_plan_says_why(place: Path) -> None:
    done = call(place, "plan", "jobs:upper", "a", "b")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Plan: serial")


def test_plan_as_json_runs_a_few_items_only(place: Path) -> None:
    done = call(place, "plan", "jobs:wait", "--range", "1000", "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["n_jobs"] * plan["threads_per_job"] >= 16  # it only waits: far beyond the cores
    assert plan["reasons"]
    assert 0 < plan["items_done"] < 20


def test_plan_reports_an_item_that_raises(place: Path) -> None:
    line = one_line(call(place, "plan", "jobs:inverse", "--range", "9"), 1)
    assert "ZeroDivisionError" in line


def test_doctor_tells_the_same_as_text_and_json(place: Path) -> None:
    told = json.loads(call(place, "doctor", "--json").stdout)
    assert told["machine"]["cores"] == len(os.sched_getaffinity(0)) or told["machine"]["cpu_quota"]
    assert told["machine"]["memory_bytes"] == os.sysconf("SC_PAGE_SIZE") * os.sysconf(
        "SC_PHYS_PAGES"
    )
    assert 0 < told["costs"]["thread_seconds"] < told["costs"]["spawn_seconds"]
    assert told["costs"]["fork_seconds"] < told["costs"]["spawn_seconds"]
    text = call(place, "doctor")
    assert text.returncode == 0, text.stderr
    for word in ("machine", "cores", "memory", "costs", "spawn", "advice"):
        assert word in text.stdout
    assert "None" not in text.stdout


def test_doctor_says_what_it_did_not_measure_and_why(place: Path) -> None:
    """Another thread forbids to fork, so that fork and round trip cannot be measured."""
    code = (
        "import sys, threading, amorsize.cli\n"
        "stop = threading.Event()\n"
        "other = threading.Thread(target=stop.wait)\n"
        "other.start()\n"
        "code = amorsize.cli.main(['doctor'])\n"
        "stop.set()\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=place, capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 0, done.stderr
    figures = dict(
        line.strip().split("  ", 1) for line in done.stdout.splitlines() if "  " in line.strip()
    )
    assert figures["fork"].strip() == figures["round trip"].strip() == "not measured"
    assert figures["spawn"].strip() != "not measured"
    assert "fresh interpreters instead of forked ones" in done.stdout.partition("advice")[2]


# -- wrong usage ---------------------------------------------------------------------------------

WRONG: list[tuple[list[str], int, list[str]]] = [
    (["run", "nowhere:f", "1"], 3, ["nowhere"]),
    (["run", "jobs.sub:f", "1"], 3, ["jobs"]),
    (["run", "jobs:doubel", "1"], 3, ["doubel", "did you mean 'double'"]),
    (["run", "jobs:Math.tripel", "1"], 3, ["did you mean 'triple'"]),
    (["run", "jobs:number", "1"], 3, ["jobs:number", "int"]),
    (["run", "broken:f", "1"], 3, ["broken", "missing_thing"]),
    (["run", "raising:f", "1"], 3, ["raising", "RuntimeError: no luck"]),
    (["run", "jobs", "1"], 2, ["MODULE:FUNCTION"]),
    (["run", "jobs:upper"], 2, ["--input", "none"]),
    (["run", "jobs:upper", "a", "--range", "3"], 2, ["ITEM and --range"]),
    (["run", "jobs:upper", "--range", "x"], 2, ["--range x"]),
    (["run", "jobs:upper", "--range", "0:3:0"], 2, ["--range 0:3:0"]),
    (["run", "jobs:upper", "--glob", "*.nothing"], 2, ["*.nothing"]),
    (["run", "jobs:upper", "--input", "absent"], 2, ["absent", "No such file"]),
    (["run", "jobs:upper", "--input", "."], 2, [".", "directory"]),
    (["run", "jobs:upper", "--json-items", "1", "{"], 2, ["item 1", "JSON"]),
    (["run", "jobs:upper", "--jsonl", "a"], 2, ["--json-items"]),
    (["run", "jobs:upper", "a", "--output", "no/where"], 2, ["no/where", "No such file"]),
    (["run", "jobs:upper", "a", "--joblog", "."], 2, ["directory"]),
    (["run", "jobs:upper", "a", "-j", "0"], 2, ["n_jobs=0"]),
    (["run", "jobs:upper", "a", "--backend", "gpu"], 2, ["gpu", "threads"]),
    (["run", "jobs:upper", "a", "--chunksize", "-1"], 2, ["chunksize=-1"]),
    (["plan", "jobs:upper", "a", "-j", "0"], 2, ["n_jobs=0"]),
    (["run", "jobs:upper", "a", "--timeout", "0"], 2, ["timeout=0"]),
    (["run", "jobs:upper", "a", "--memory-limit", "5 bytes"], 2, ["memory_limit='5 bytes'"]),
    (["run", "jobs:upper", "a", "--retries", "-1"], 2, ["retries=-1"]),
    (["run", "jobs:upper", "a", "--retry-on", "OSEror"], 3, ["OSEror", "OSError"]),
    (["run", "jobs:upper", "a", "--retry-on", "len"], 2, ["retry_on=", "exception type"]),
    (["run", "jobs:upper", "a", "--seed", "-3"], 2, ["seed=-3"]),
]


@pytest.mark.parametrize(("words", "code", "parts"), WRONG, ids=[" ".join(w) for w, _, _ in WRONG])
def test_wrong_usage_is_one_clear_line(
    place: Path, words: list[str], code: int, parts: list[str]
) -> None:
    line = one_line(call(place, *words), code)
    for part in parts:
        assert part in line


FLAKY = """
import amorsize, os, time
def flaky(name):
    if not os.path.exists(name):
        open(name, "w").close()
        raise ConnectionError(name)
    return name
def slow(text):
    time.sleep(20 * (text == "b"))
    return text
def draw(item):
    return amorsize.item_rng().random()
main = os.getpid()
def in_a_child(item):
    return os.getpid() != main
"""


def test_retries_time_limits_and_seeds(place: Path) -> None:
    (place / "faults.py").write_text(FLAKY)
    again = ("--retries", "1", "--retry-on")
    done = call(place, "run", "faults:flaky", "a", "b", *again, "KeyError,OSError")
    assert done.stdout.split() == ['"a"', '"b"'], done.stderr
    done = call(place, "run", "faults:flaky", "c", *again, "KeyError,json:JSONDecodeError")
    assert done.returncode == 1 and "ConnectionError" in done.stderr
    done = call(place, "run", "faults:slow", "a", "b", "c", "--timeout", "1", "--on-error", "skip")
    assert done.stdout.split() == ['"a"', '"c"'] and "1 of 3 items failed" in done.stderr
    done = call(place, "run", "faults:in_a_child", "a", "--memory-limit", "300MB")
    assert done.stdout == "true\n", done.stderr
    drawn = [
        call(place, "run", "faults:draw", "--range", "5", "--seed", "7", *words).stdout.split()
        for words in ((), ("--backend", "spawn"))
    ]
    children = np.random.SeedSequence(7).spawn(5)
    assert drawn == 2 * [[repr(np.random.default_rng(child).random()) for child in children]]


def test_a_line_that_is_not_json_is_named(place: Path) -> None:
    (place / "in.jsonl").write_text("1\n2\noops\n")
    line = one_line(call(place, "run", "jobs:double", "--input", "in.jsonl"), 2)
    assert "in.jsonl, line 3" in line
    assert "oops" in line


@pytest.mark.parametrize(
    "words", [[], ["fly"], ["run"], ["run", "--fast"], ["doctor", "x"], ["completion", "csh"]]
)
def test_unknown_words_exit_with_2(place: Path, words: list[str]) -> None:
    done = call(place, *words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("amorsize")


def test_dotted_functions_are_found(place: Path) -> None:
    assert results(call(place, "run", "jobs:Math.triple", "ab")) == ["ababab"]


@pytest.mark.parametrize("command_name", ["", *COMMANDS])
def test_help_documents_every_exit_code(place: Path, command_name: str) -> None:
    done = call(place, *([command_name] if command_name else []), "--help")
    assert done.returncode == 0
    codes = [
        line.split()[0] for line in done.stdout.partition("exit codes:")[2].splitlines() if line
    ]
    assert codes == ["0", "1", "2", "3", "130", "141"]


def test_version(place: Path) -> None:
    done = call(place, "--version")
    assert (done.returncode, done.stdout) == (0, f"amorsize {amorsize.__version__}\n")


# -- endings -------------------------------------------------------------------------------------


def test_broken_pipe_is_quiet(place: Path) -> None:
    words = command("run", "jobs:big", "--range", "100000")
    process = subprocess.Popen(words, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    assert json.loads(process.stdout.readline()) == "0" * 2000
    process.stdout.close()
    assert process.wait(20) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


def members(group: int) -> list[int]:
    """Living processes of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize("source", ["range", "stdin"])
@pytest.mark.parametrize("backend", ["serial", "threads", "processes"])
def test_ctrl_c_ends_everything_with_one_line(place: Path, backend: str, source: str) -> None:
    words = ["--range", "100"] if source == "range" else ["--input", "-"]
    process = subprocess.Popen(
        command("run", "jobs:nap", *words, "--backend", backend, "-j", "2", "--joblog", "log"),
        cwd=place,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    process.stdin.write(b"x\n" * 10)
    process.stdin.flush()
    # The log is opened when the function has been loaded; a little later the workers are at work.
    end = time.monotonic() + 20
    while not (place / "log").exists() and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(1.0)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(10) == 130
    out, err = process.communicate()
    assert out == b""
    assert err == b"amorsize: interrupted\n"
    end = time.monotonic() + 5
    while members(process.pid) and time.monotonic() < end:
        time.sleep(0.02)
    assert members(process.pid) == []


# -- progress ------------------------------------------------------------------------------------


def in_terminal(place: Path, *words: str, given: str | None = None) -> tuple[int, str, str]:
    """Exit code, output, and what appeared on a terminal as standard error."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command(*words), cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=theirs
    ) as process:
        os.close(theirs)
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write((given or "").encode())
        process.stdin.close()
        shown = b"".join(read_terminal(ours))
        out = process.stdout.read().decode()
    os.close(ours)
    return process.returncode, out, shown.decode()


def read_terminal(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            block = os.read(descriptor, 4096)
        except OSError:  # EIO: the other side is closed
            return
        if not block:
            return
        yield block


@pytest.mark.parametrize("backend", ["serial", "threads", "processes"])
def test_bar_in_a_terminal(place: Path, backend: str) -> None:
    words = ("--range", "40", "--progress", "--backend", backend, "-j", "2")
    code, out, shown = in_terminal(place, "run", "jobs:wait", *words)
    assert code == 0, shown
    assert out.split() == [str(i) for i in range(40)]
    assert "40/40" in shown
    between = {state for state in range(1, 40) if f" {state}/40 " in shown}
    assert len(between) >= 2, shown
    assert shown.endswith("\r\n")


def test_bar_for_input_of_unknown_length(place: Path) -> None:
    given = "".join(f"{i}\n" for i in range(30))
    code, out, shown = in_terminal(
        place, "run", "jobs:wait", "--input", "-", "--progress", given=given
    )
    assert code == 0, shown
    assert len(out.split()) == 30
    assert "30 items" in shown


# -- the rest ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_completion_has_every_word_of_every_help(place: Path, shell: str) -> None:
    """The words are read off what --help prints, not off the parsers."""
    script = call(place, "completion", shell).stdout
    top = call(place, "--help").stdout
    shown = re.findall(r"^    (\w+)$|^    (\w+) {2}", top.partition("COMMAND\n")[2], re.M)
    names = [first or second for first, second in shown]
    assert names == list(COMMANDS)
    lines = script.splitlines()
    for name in names:
        about = [
            line
            for line in lines
            if line.lstrip().startswith(f"{name})") or f"from {name}'" in line
        ]
        offered = set(re.findall(r"(?<![\w-])(?:--|-l )([a-z-]+)", "\n".join(about)))
        helped = call(place, name, "--help").stdout.partition("options:")[2]
        flags = set(re.findall(r"^  (?:-\w[^-]*, )?--([a-z-]+)", helped, re.M))
        assert "help" in flags
        assert flags == offered
    for backend in ("auto", *PUBLIC_NAMES):
        assert backend in script


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_is_accepted(place: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = call(place, "completion", shell).stdout
    checked = subprocess.run(
        [shell, "-n"], input=script, capture_output=True, text=True, timeout=20
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    for word in ("run", "plan", "doctor", "--on-error" if shell != "fish" else "on-error"):
        assert word in script


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["d"], {"doctor"}),
        (["run", "--on"], {"--on-error"}),
        (["run", "--on-error", ""], {"raise", "skip", "collect"}),
        (["run", "--backend", "th"], {"threads"}),
        (["completion", "z"], {"zsh"}),
        (["run", "--input", "jo"], {"jobs.py"}),
    ],
)
def test_completion_in_bash(place: Path, words: list[str], expected: set[str]) -> None:
    script = call(place, "completion", "bash").stdout
    line = " ".join(f"'{word}'" for word in ["amorsize", *words])
    asked = f"COMP_WORDS=({line}); COMP_CWORD={len(words)}; _amorsize"
    asked += '; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "-c", f"{script}\n{asked}"], cwd=place, capture_output=True, text=True, timeout=20
    )
    assert set(done.stdout.split()) == expected, done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("d", {"doctor"}),
        ("run --on-e", {"--on-error"}),
        ("run --on-error ", {"raise", "skip", "collect"}),
        ("completion z", {"zsh"}),
    ],
)
def test_completion_script_is_accepted_and_completes_in_fish(
    place: Path, words: str, expected: set[str]
) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    script = call(place, "completion", "fish").stdout
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"{script}\ncomplete -C 'amorsize {words}'"],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert {line.split("\t")[0] for line in done.stdout.splitlines()} == expected, done.stderr


def test_completion_script_is_accepted_and_registered_by_zsh(place: Path) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    script = call(place, "completion", "zsh").stdout
    asked = "print -r -- $_comps[amorsize]; print -r -- $+functions[_amorsize]"
    done = subprocess.run(
        ["zsh", "-f", "-c", f"{script}\n{asked}"],
        env={**os.environ, "HOME": str(place)},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (done.stdout, done.stderr) == ("_bash_complete -o default -F _amorsize\n1\n", "")
    assert not list(place.glob(".zcompdump*"))


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, amorsize.cli\n"
        "try: amorsize.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'json', 'tqdm', 'numpy', 'multiprocessing', 'asyncio', 'psutil', 'cloudpickle'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", list(COMMANDS))
def test_a_command_imports_no_other(place: Path, name: str) -> None:
    words = {
        "run": ["len", "--help"],
        "plan": ["len", "--help"],
        "compare": ["len", "--help"],
        "validate": ["--help"],
        "completion": ["fish", "--help"],
    }
    code = (
        "import sys, amorsize.cli\n"
        f"try: amorsize.cli.main({[name, *words.get(name, [])]})\n"
        "except SystemExit: pass\n"
        "print(*(m.removeprefix('amorsize.cli.') for m in sys.modules if 'amorsize.cli' in m))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=20,
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert loaded & set(COMMANDS) == {name}, done.stderr


def test_skips_are_held_against_the_list() -> None:
    import conftest

    allowed = conftest.allowed_skips("# comment\n\ntests/a.py::x* | * is not installed  # why\n")
    assert allowed == [("tests/a.py::x*", "* is not installed")]
    skipped = [
        ("tests/a.py::x[fish]", "fish is not installed"),
        ("tests/a.py::x[fish]", "no time"),
        ("tests/b.py::x", "fish is not installed"),
    ]
    assert conftest.forbidden_skips(skipped, allowed) == skipped[1:]
