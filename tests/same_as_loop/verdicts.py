"""What the rules alone and the watch alone say of each case: the share of changes that each of them sees.

``python tests/same_as_loop/verdicts.py [--case NAME] [--list]``

Each case is made in a child of its own. The rules read the function with its first items; the watch
looks around the second item, and around the sixth (as the engine watches an item some way into the run).
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import sys
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import harness
import runner

SECONDS = 20
"""How long the verdicts of one case may take."""


def verdicts(name: str) -> dict[str, Any]:
    """What is said of one case, in this process."""
    from amorsize.inspection.effects import inspect_function
    from amorsize.inspection.file_use import now
    from amorsize.inspection.watch import Watch

    registry = importlib.import_module("case")
    importlib.import_module(name.partition(".")[0])
    made = registry.CASES[name].make()
    data, before = made.data, _left(made, start=True)
    first = list(islice(data, 3)) if type(data) in (list, tuple, range) else []
    safety = inspect_function(made.func, first)
    rules, threads = safety.caller_only, safety.no_threads
    processes, draws = safety.no_processes, safety.draws
    watched: list[str] = []
    opened: list[str] = []
    item_changed = cut = False
    returned, since = None, now()
    for number, item in enumerate(islice(data, 6)):
        if number not in (1, 5):
            _run(made.func, item)
            continue
        watch = Watch(made.func, item).hear_files(since)
        verdict = watch.verdict(_run(made.func, item))
        returned = returned or verdict.returned
        watched += [one for one in verdict.changed if one != "the item"]
        watched += ["a random state"] * verdict.drew_random
        item_changed |= verdict.item_changed
        opened += verdict.left_open
        cut |= bool(verdict.cut_short)
    return {
        "rules": rules, "no_threads": threads, "no_processes": processes, "draws": draws,
        "watch": watched, "item": item_changed, "left_open": opened, "cut": cut,
        "returned": returned, "left": _left(made) != before,
    }  # fmt: skip


def _left(made: Any, *, start: bool = False) -> str:
    """What is left behind by now; at the start in a child, as to look may close it."""
    if not start:
        return str(made.left())[:20_000]
    reading, writing = os.pipe()
    if not os.fork():
        try:
            signal.alarm(5)
            os.write(writing, _left(made).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as lines:
        said = lines.read().decode(errors="replace")
    os.wait()
    return said


def _run(func: Any, item: Any) -> list[Any]:
    try:
        return [func(item)]
    except Exception:  # the case's own
        return []


def in_child(name: str) -> dict[str, Any]:
    """The same, in a child that is forked."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            signal.alarm(SECONDS)
            os.close(reading)
            said = json.dumps(verdicts(name))
        except BaseException as error:
            said = json.dumps({"error": f"{type(error).__name__}: {error}"})
        with os.fdopen(writing, "w") as out:
            out.write(said)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as lines:
        said = lines.read()
    os.waitpid(child, 0)
    return dict(json.loads(said or '{"error": "died"}'))


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", default="", help="only cases whose name contains this")
    parser.add_argument("--list", action="store_true", help="say it of each case")
    asked = parser.parse_args()
    runner.mend_path()
    counts: dict[tuple[bool, str], int] = {}
    for listed in harness.cases():
        if asked.case not in listed.name:
            continue
        said = in_child(listed.name)
        seen = {
            "by the rules": bool(
                said.get("rules") or said.get("no_processes") or said.get("draws")
            ),
            "by the watch": bool(said.get("watch") or said.get("item") or said.get("left_open")),
            "kept in the caller": bool(said.get("rules") or said.get("watch")),
        }
        seen["leaves a change"] = bool(said.get("left"))
        seen["leaves a change, by the watch"] = seen["leaves a change"] and seen["by the watch"]
        seen["leaves a change, by the rules"] = seen["leaves a change"] and seen["by the rules"]
        seen["by either"] = seen["by the rules"] or seen["by the watch"]
        seen["cases"] = True
        for what, so in seen.items():
            counts[listed.effect, what] = counts.get((listed.effect, what), 0) + so
        if asked.list:
            told = {key: value for key, value in said.items() if value}
            print(f"{listed.name:56}{'effect' if listed.effect else 'free':8}{told}", flush=True)
    for (effect, what), count in sorted(counts.items()):
        print(f"{'with an effect' if effect else 'without':16}{what:32}{count:5}")


if __name__ == "__main__":
    main()
