"""Jobs that are killed while their rows change: what runs again, and are the results right?

``python -m benchmarks.api.resumed [--kills 200] [--seed 1]`` starts a job in a process group of its
own, kills the group with SIGKILL at a random moment, edits, inserts or removes a tenth of the rows, and
starts it again; after a few kills it may end. Each call is logged as it begins and as it ends. Checked
is, against what the file holds after each kill: the results are the loop's; a call is of a row that was
new, had failed, or whose call was in flight (or ended so shortly before the kill that its result was not
committed yet).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

WAYS = ("threads", "fork", "stream", "coroutine", "coroutine stream", "command line")
PLACE = "AMORSIZE_RESUMED"
"""Variable that names the folder of a job."""
COMMIT_SECONDS = 1.0
"""A call that ended so long before a kill must be in the file: 0.1 s is promised, the rest is for a
machine that does other work."""
JOB_SECONDS = 60.0
ROWS, KILLS = 120, 4


class Refused(Exception):
    """What a row raises until the last start of its job."""


def answer(row: dict[str, Any]) -> str:
    """The function of a job: logs, takes its time, and fails where the row says so."""
    _log("begin", row)
    time.sleep(row["seconds"])
    return _end(row)


async def answer_later(row: dict[str, Any]) -> str:
    """The same as a coroutine function."""
    _log("begin", row)
    await asyncio.sleep(row["seconds"])
    return _end(row)


def key(row: dict[str, Any]) -> tuple[int, str]:
    """What tells rows apart."""
    return row["id"], row["text"]


def value(row: dict[str, Any]) -> str:
    """What the functions return."""
    return f"{row['id']}: {row['text'].upper()}"


def _end(row: dict[str, Any]) -> str:
    if row["fails"] and not Path(os.environ[PLACE], "mended").exists():
        _log("failed", row)
        raise Refused(row["id"])
    _log("end", row)
    return value(row)


def _log(what: str, row: dict[str, Any]) -> None:
    file = os.open(f"{os.environ[PLACE]}/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    line = json.dumps([what, time.monotonic(), key(row)]) + "\n"
    os.write(file, line.encode())
    os.close(file)


def job(way: str, place: str, *, keyed: bool) -> None:
    """One start of a job: leaves its results in a file."""
    import amorsize

    rows = [json.loads(line) for line in Path(place, "rows.jsonl").read_text().splitlines()]
    options: dict[str, Any] = {"checkpoint": f"{place}/journal", "history": None, "n_jobs": 4}
    options |= {"on_error": "collect", "key": key if keyed else None}
    if way == "stream":
        found = list(amorsize.stream(answer, iter(rows), backend="threads", **options))
    elif way == "coroutine":
        found = amorsize.execute(answer_later, rows, **options)
    elif way == "coroutine stream":
        found = list(amorsize.stream(answer_later, iter(rows), **options))
    else:
        found = amorsize.execute(answer, rows, backend=way, **options)
    lines = [json.dumps(one if isinstance(one, str) else {"error": 1}) for one in found]
    Path(place, "results").write_text("".join(line + "\n" for line in lines))


def _command(way: str, place: str, keyed: bool) -> list[str]:
    python = [sys.executable, "-m"]
    if way != "command line":
        return [
            *python,
            "benchmarks.api.resumed",
            "--job",
            way,
            "--place",
            place,
            *["--keyed"] * keyed,
        ]
    words = [
        *python,
        "amorsize",
        "run",
        "benchmarks.api.resumed:answer",
        "--backend",
        "threads",
        "-j",
        "4",
    ]
    words += ["--input", f"{place}/rows.jsonl", "--checkpoint", f"{place}/journal", "--resume"]
    words += ["--on-error", "collect", "--output", f"{place}/results"]
    return [*words, *["--key", "id,text"] * keyed]


class Job:
    """One job, killed and started again until it is done."""

    def __init__(self, way: str, place: str, chance: random.Random) -> None:
        self._way, self._place, self._chance = way, Path(place), chance
        self._keyed = chance.random() < 0.5
        self._next_id = 0
        self._rows = [self._row() for _ in range(ROWS)]
        self._seen = 0
        """Lines of the log that were looked at."""
        self.kills = self.again = 0
        """Times that it was killed, and calls of rows that had run before and were not held."""

    def _row(self) -> dict[str, Any]:
        self._next_id += 1
        seconds = self._chance.uniform(0.002, 0.02)
        fails = self._chance.random() < 0.1
        return {"id": self._next_id, "text": "first", "seconds": seconds, "fails": fails}

    def _edit(self) -> None:
        """Edit, insert, remove or repeat a tenth of the rows."""
        chance, rows = self._chance, self._rows
        for _ in range(len(rows) // 10):
            at = chance.randrange(len(rows))
            match chance.randrange(5):
                case 0:
                    rows[at] = {**rows[at], "text": f"edited {chance.random()}"}
                case 1:
                    rows.insert(at, self._row())
                case 2:
                    del rows[at]
                case 3:
                    rows.insert(chance.randrange(len(rows)), rows[at])
                case _:
                    rows.append(rows.pop(at))

    def run(self) -> None:
        """Until it is done; asserts that all is right."""
        for _ in range(KILLS):
            self._go(self._chance.uniform(0.0, 0.6))
            self._edit()
        (self._place / "mended").touch()
        self._go(None)
        lines = (self._place / "results").read_text().splitlines()
        assert [json.loads(line) for line in lines] == [value(row) for row in self._rows], self._way

    def _go(self, patience: float | None) -> None:
        """One start, killed so many seconds after its first call; None: it may end."""
        text = "".join(json.dumps(row) + "\n" for row in self._rows)
        (self._place / "rows.jsonl").write_text(text)
        left = self._not_held()
        root = str(Path(__file__).resolve().parents[2])
        process = subprocess.Popen(
            _command(self._way, str(self._place), self._keyed),
            cwd=root,
            start_new_session=True,
            env={**os.environ, PLACE: str(self._place)},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            if patience is not None:
                while len(self._log()) == self._seen and process.poll() is None:
                    time.sleep(0.002)
            _, errors = process.communicate(timeout=JOB_SECONDS if patience is None else patience)
            assert process.returncode == 0 or "items failed" in errors, errors
            ended = True
        except subprocess.TimeoutExpired:
            assert patience is not None, "the job did not end"
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            self.kills += 1
            ended = False
        self._check(left, time.monotonic(), ended=ended)

    def _log(self) -> list[tuple[str, float, tuple[Any, ...]]]:
        file = self._place / "log"
        lines = file.read_text().splitlines() if file.exists() else []
        return [(what, at, tuple(one)) for what, at, one in map(json.loads, lines)]

    def _held(self) -> Counter[tuple[Any, ...]]:
        """Results in the file, by row: as the exporting command gives them."""
        journal = self._place / "journal"
        if not journal.exists():
            return Counter()
        command = [sys.executable, "-m", "amorsize", "checkpoint", str(journal), "--export", "-"]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        lines = [json.loads(line) for line in told.splitlines()]
        texts = [line["result"] for line in lines if line["state"] == "done"]
        return Counter(tuple(text.split(": ")) for text in texts)

    def _not_held(self) -> Counter[tuple[Any, ...]]:
        """Rows that are to run, by id and text."""
        now = Counter(_named(key(row)) for row in self._rows)
        return now - self._held()

    def _check(self, left: Counter[tuple[Any, ...]], ended_at: float, *, ended: bool) -> None:
        """The calls of the last start, against what was not held before it."""
        log = self._log()
        new, before, self._seen = log[self._seen :], log[: self._seen], len(log)
        begun = Counter(_named(one) for what, _, one in new if what == "begin")
        assert begun <= left, (self._way, begun - left)
        if ended:
            assert begun == left, (self._way, left - begun)
        known = {_named(one) for what, _, one in before if what == "end"}
        self.again += sum(count for one, count in begun.items() if one in known)
        sure = ended_at - COMMIT_SECONDS
        done = Counter(_named(one) for what, at, one in new if what == "end" and at < sure)
        assert not done - self._held(), (self._way, done - self._held())


def _named(one: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row as its result names it."""
    return str(one[0]), one[1].upper()


def killed(way: str, seed: int) -> Job:
    """One job, killed until it is done; asserts that it was right."""
    with tempfile.TemporaryDirectory() as place:
        made = Job(way, place, random.Random(f"{way} {seed}"))
        made.run()
        return made


def main() -> None:
    """Kill so many times, and print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--job", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--place", help=argparse.SUPPRESS)
    parser.add_argument("--keyed", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.job is not None:
        job(asked.job, asked.place, keyed=asked.keyed)
        return
    found: dict[str, list[Job]] = {way: [] for way in WAYS}
    number = 0
    while sum(one.kills for jobs in found.values() for one in jobs) < asked.kills:
        way = WAYS[number % len(WAYS)]
        found[way].append(killed(way, asked.seed + number))
        number += 1
    for way, jobs in found.items():
        kills, again = sum(one.kills for one in jobs), sum(one.again for one in jobs)
        print(
            f"{way:17} {len(jobs):3} jobs {kills:4} kills {again:4} calls again; all right",
            flush=True,
        )


if __name__ == "__main__":
    main()
