"""What the rules alone and the watch alone say of each case: the share of changes that each of them sees.

``python tests/same_as_loop/verdicts.py [--case NAME] [--list]``

Each case is made in a child of its own. The rules read the function with its first items. The watch
looks around the second item and around the sixth, as the engine watches an item some way into the
run, and searches what is held: connections, files. "The first watched too" looks around the first
item as well, where most of what is filled or set once is. A case *leaves a change* where what is left
after six items is not what is left where they are only read from the data (in another child).
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import harness
import runner

SECONDS = 20
"""How long the verdicts of one case may take."""


ITEMS = 6
"""Items that are run."""

AGAIN = (1, 5)
"""Positions of those that are watched as the engine does it."""


def verdicts(name: str) -> dict[str, Any]:
    """What is said of one case, in this process."""
    from amorsize.inspection.effects import inspect_function
    from amorsize.inspection.file_use import now
    from amorsize.inspection.watch import Watch

    made = _made(name)
    data = made.data
    first = list(islice(data, 3)) if type(data) in (list, tuple, range) else []
    safety = inspect_function(made.func, first)
    held = inspect_function(made.func, first, effects=False).caller_only
    at_first: list[str] = []
    watched: list[str] = []
    opened: list[str] = []
    item_changed = cut = hears = False
    returned, since = None, now()
    for number, item in enumerate(islice(data, ITEMS)):
        if number not in (0, *AGAIN):
            _run(made.func, item)
            continue
        watch = Watch(made.func, item).hear_files(since, surely=hears)
        verdict = watch.verdict(_run(made.func, item))
        hears = hears or verdict.files is None  # the engine watches another one then
        if not number:
            at_first += [*verdict.changed, *verdict.left_open]
            continue
        returned = returned or verdict.returned
        watched += [one for one in verdict.changed if one != "the item"]
        watched += ["a random state"] * verdict.drew_random
        item_changed |= verdict.item_changed
        opened += verdict.left_open
        cut |= bool(verdict.cut_short)
    return {
        "rules": safety.caller_only, "no_threads": safety.no_threads,
        "no_processes": safety.no_processes, "draws": safety.draws,
        "unless_watched": safety.unless_watched,
        "watch": watched, "item": item_changed, "left_open": opened, "cut": cut, "held": held,
        "first": at_first, "returned": returned, "left": _left(made),
    }  # fmt: skip


def only_read(name: str) -> dict[str, Any]:
    """What is left of a case whose items are read and not run, in this process."""
    made = _made(name)
    for _ in islice(made.data, ITEMS):
        pass
    return {"left": _left(made)}


def _made(name: str) -> Any:
    registry = importlib.import_module("case")
    importlib.import_module(name.partition(".")[0])
    return registry.CASES[name].make()


def _left(made: Any) -> str:
    """What is left behind, or why that cannot be said, as text."""
    try:
        return str(made.left())[:20_000]
    except Exception as error:  # the case's own: it looks for what 150 items leave
        return f"raised {type(error).__name__}: {error}"


def _run(func: Any, item: Any) -> list[Any]:
    try:
        return [func(item)]
    except Exception:  # the case's own
        return []


def in_child(ask: Callable[[str], dict[str, Any]], name: str) -> dict[str, Any]:
    """What is said of a case, in a child that is forked."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            signal.alarm(SECONDS)
            os.close(reading)
            said = json.dumps(ask(name))
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
    parser.add_argument("--json", action="store_true", help="say all of it in one line")
    asked = parser.parse_args()
    runner.mend_path()
    counts: dict[tuple[bool, str], int] = {}
    everything: dict[str, Any] = {}
    for listed in harness.cases():
        if asked.case not in listed.name:
            continue
        said = in_child(verdicts, listed.name)
        said["left"] = said.get("left") != in_child(only_read, listed.name).get("left")
        everything[listed.name] = said
        seen = {
            "by the rules": bool(
                said.get("rules") or said.get("no_processes") or said.get("draws")
            ),
            "by the watch": any(said.get(one) for one in ("watch", "item", "left_open", "held")),
            "kept in the caller": bool(said.get("rules") or said.get("watch")),
        }
        seen["by the watch, the first watched too"] = seen["by the watch"] or bool(
            said.get("first")
        )
        if said["left"]:
            for by in [one for one in seen if one.startswith("by ")]:
                seen[f"leaves a change, {by}"] = seen[by]
        seen["leaves a change"] = said["left"]
        seen["by either"] = seen["by the rules"] or seen["by the watch"]
        seen["cases"] = True
        for what, so in seen.items():
            counts[listed.effect, what] = counts.get((listed.effect, what), 0) + so
        if asked.list:
            told = {key: value for key, value in said.items() if value}
            print(f"{listed.name:56}{'effect' if listed.effect else 'free':8}{told}", flush=True)
    if asked.json:
        print(json.dumps(everything))
        return
    for (effect, what), count in sorted(counts.items()):
        print(f"{'with an effect' if effect else 'without':16}{what:54}{count:5}")


if __name__ == "__main__":
    main()
