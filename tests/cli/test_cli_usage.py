"""Plans, the doctor, wrong usage, help."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.commands import call, one_line, results

import amorsize
from amorsize.cli.commands import COMMANDS

pytestmark = pytest.mark.timeout(60)


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
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        assert told["costs"]["fork_seconds"] < told["costs"]["spawn_seconds"]
    else:
        psutil = pytest.importorskip("psutil")
        cores, memory = os.cpu_count(), psutil.virtual_memory().total
        assert told["costs"]["fork_seconds"] is None
    assert told["machine"]["cores"] == cores or told["machine"]["cpu_quota"]
    assert told["machine"]["memory_bytes"] == memory
    assert 0 < told["costs"]["thread_seconds"] < told["costs"]["spawn_seconds"]
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
        [sys.executable, "-c", code], cwd=place, capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 0, done.stderr
    figures = dict(
        line.strip().split("  ", 1) for line in done.stdout.splitlines() if "  " in line.strip()
    )
    assert figures["fork"].strip() == figures["round trip"].strip() == "not measured"
    assert figures["spawn"].strip() != "not measured"
    advice = done.stdout.partition("advice")[2]
    assert "fresh interpreters" in advice and "fork" in advice


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
    (["run", "jobs:upper"], 2, ["--input", "no items"]),
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
    drawn = [
        call(place, "run", "faults:draw", "--range", "5", "--seed", "7", *words).stdout.split()
        for words in ((), ("--backend", "spawn"))
    ]
    children = np.random.SeedSequence(7).spawn(5)
    assert drawn == 2 * [[repr(np.random.default_rng(child).random()) for child in children]]


def test_a_memory_limit_has_items_run_in_a_child(place: Path) -> None:
    (place / "faults.py").write_text(FLAKY)
    done = call(place, "run", "faults:in_a_child", "a", "--memory-limit", "300MB")
    if sys.platform == "win32":
        assert "memory_limit='300MB': this system does not tell" in one_line(done, 2)
    else:
        assert done.stdout == "true\n", done.stderr


def test_a_byte_that_ends_texts_of_dos_ends_no_file(place: Path) -> None:
    (place / "in.txt").write_bytes(b"a\r\nb\x1ac\nd\n")
    assert results(call(place, "run", "jobs:upper", "--input", "in.txt")) == ["A", "B\x1aC", "D"]


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
def test_help_documents_every_exit_code_that_the_command_has(
    place: Path, command_name: str
) -> None:
    done = call(place, *([command_name] if command_name else []), "--help")
    assert done.returncode == 0
    codes = [
        line.split()[0] for line in done.stdout.partition("exit codes:")[2].splitlines() if line
    ]
    own = {"history": [], "checkpoint": [], "doctor": [], "completion": [], "validate": ["1"]}
    assert codes == ["0", *sorted([*own.get(command_name, ["1", "3"]), "2"]), "130", "141"]
    assert ("an item failed: its function raised" in done.stdout) == (command_name in ("", "run"))


def test_version(place: Path) -> None:
    done = call(place, "--version")
    assert (done.returncode, done.stdout) == (0, f"amorsize {amorsize.__version__}\n")
