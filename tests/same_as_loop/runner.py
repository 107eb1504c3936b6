"""Run one case in this fresh interpreter, and say what came of it as one line of JSON.

``python runner.py CASE loop|amorsize alone|beside|repeated|eight [--trace --eager --timeout --out FILE]``

``beside``: an idle thread is alive, as in a notebook. ``repeated``: a history knows the function from
a run before; the second run is reported. ``eight``: eight threads make and run the case at once.
``--trace`` says where items ran for cases with effects, too. ``--eager``: workers are taken to cost
nothing and the cores to be free, so that what the rules allow does run in parallel; without it a case
that equals the loop on a busy machine may only have stayed in the caller since that was quicker.
``--timeout``: with a limit on time, under which no item runs in the caller.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MODES = ("loop", "amorsize")
SETTINGS = ("alone", "beside", "repeated")
EIGHT, APART = "eight", "the eight differ: "
"""The setting of eight threads, and how its results begin where those of the threads differ."""
MARK = "same-as-loop "
"""What the line of the report begins with: cases may print, too."""
LIMIT_SECONDS = 60.0
"""The limit on an item's time of ``--timeout``: longer than a case may take."""


def own_paths() -> list[str]:
    """Folders in which cases and their helper modules are found."""
    return [str(HERE), str(HERE / "cases"), str(HERE / "aux_modules")]


def mend_path() -> None:
    """Make the folders importable, this one first."""
    sys.path[:] = own_paths() + [path for path in sys.path if path not in own_paths()]


def watch_warnings(seen: list[tuple[list[str], str]]) -> None:
    """Note warnings instead of printing them, all that amorsize has to say among them."""
    import amorsize

    def note(message: Any, category: type, *place: Any, **more: Any) -> None:
        seen.append(([kind.__name__ for kind in category.__mro__], str(message)))

    warnings.showwarning = note
    warnings.filterwarnings("always", category=amorsize.AmorsizeWarning)


def be_eager() -> None:
    """Let workers seem free of charge, and nobody else on the cores."""
    import amorsize.engine.lookups as lookups
    from amorsize.core.model import Crowd
    from amorsize.planning.cost_model import Costs

    lookups.crowd_now = lambda share: Crowd()
    Costs.start = lambda self, backend, count: 0.0  # type: ignore[method-assign]
    Costs.before = lambda self, backend: 0.0  # type: ignore[method-assign]


def call(
    made: Any, mode: str, history: str | None, trace: str | None, timeout: float | None = None
) -> str:
    """The results of one run, or its exception, as text."""
    import amorsize

    try:
        if mode == "loop":
            results = [made.func(item) for item in made.data]
        elif trace is not None:
            tuner = amorsize.Tuner(history=history, trace=trace)
            results = tuner.execute(made.func, made.data, timeout=timeout)
        else:
            results = amorsize.execute(made.func, made.data, history=history, timeout=timeout)
    except BaseException as error:
        return f"raised {type(error).__name__}: {error}"
    return repr(results if made.show is None else [made.show(result) for result in results])


def look(made: Any) -> str:
    """What the run left behind, or why that cannot be said, as text."""
    try:
        return repr(made.left())
    except Exception as error:
        return f"raised {type(error).__name__}: {error}"


def workers(trace: str) -> tuple[str, int]:
    """The backend of the last run of a trace, and how many threads and processes ran items in it."""
    with open(trace, encoding="utf-8") as file:
        report = json.load(file)
    ran = {
        (event["pid"], event["tid"])
        for event in report["traceEvents"]
        if event["ph"] == "X" and event["cat"] in ("slice", "chunk") and event["args"]["items"]
    }
    runs = report["otherData"]["runs"]
    return (runs[-1]["config"]["backend"], len(ran)) if runs else ("none", len(ran))


def eight_times(make: Any, mode: str) -> tuple[str, str]:
    """The results of eight threads that make and run a case at once, and what each run left."""
    ready, making = threading.Barrier(8), threading.Lock()
    found: dict[int, tuple[str, str]] = {}

    def run(number: int) -> None:
        try:
            with making:  # makers import and reload modules, which they may not do side by side
                made = make()
            ready.wait()
        except BaseException:
            ready.abort()
            raise
        results = call(made, mode, None, None)
        found[number] = results, look(made)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    different = sorted(set(found.values()))
    if len(found) < 8 or len(different) > 1:
        return f"{APART}{len(found)} ended, {different}", ""
    return different[0]


def main(words: list[str] | None = None) -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("case")
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("setting", choices=(*SETTINGS, EIGHT))
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("--eager", action="store_true")
    parser.add_argument("--timeout", action="store_true", help="with a limit that no item reaches")
    parser.add_argument("--out", help="a file to which the report goes, instead of standard output")
    asked = parser.parse_args(words)

    out = os.dup(1) if asked.out is None else os.open(asked.out, os.O_WRONLY | os.O_CREAT)
    mend_path()
    # The case module must meet the very module `case` that is imported here.
    registry = importlib.import_module("case")
    seen: list[tuple[list[str], str]] = []
    watch_warnings(seen)
    if asked.eager:
        be_eager()
    importlib.import_module(asked.case.partition(".")[0])
    registered = registry.CASES[asked.case]
    if asked.setting == "beside":
        threading.Thread(target=threading.Event().wait, daemon=True, name="idle").start()
    report: dict[str, Any] = {"case": asked.case, "mode": asked.mode, "setting": asked.setting}
    with tempfile.TemporaryDirectory(prefix="same-as-loop-") as folder:
        traced = asked.mode == "amorsize" and (asked.trace or not registered.effect)
        history = os.path.join(folder, "history.sqlite") if asked.setting == "repeated" else None
        rounds = 2 if asked.setting == "repeated" else 1
        if asked.setting == EIGHT:
            report["seconds"], rounds, traced = 0.0, 0, False
            report["results"], report["left"] = eight_times(registered.make, asked.mode)
            report["warnings"] = list(seen)
        for number in range(rounds):
            seen.clear()
            trace = os.path.join(folder, f"trace{number}.json") if traced else None
            made = registered.make()
            began = time.perf_counter()
            limit = LIMIT_SECONDS if asked.timeout else None
            results = call(made, asked.mode, history, trace, limit)
            report["seconds"] = round(time.perf_counter() - began, 4)
            report["results"] = results
            report["left"] = look(made)
            report["warnings"] = list(seen)
            if trace is not None:
                report["backend"], report["workers"] = workers(trace)
        os.write(out, f"\n{MARK}{json.dumps(report)}\n".encode())


if __name__ == "__main__":
    main()
