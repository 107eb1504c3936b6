"""The public API is typed: type checkers agree with the assertions; a change of the API is seen."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Set
from importlib import import_module
from pathlib import Path

import pytest
from support import ROOT
from support.public_api import MODULES, SNAPSHOT, definition, names_of, snapshot

import amorsize
from amorsize.api.checks import NAMES
from amorsize.api.typed import RunOptions, SettingsOptions

pytestmark = pytest.mark.timeout(180)

PYRIGHT = Path(sys.executable).parent / "basedpyright"
ASSERTIONS = ROOT / "tests" / "typing" / "assertions.py"
LINES = ASSERTIONS.read_text(encoding="utf-8").splitlines()
WRONG = {number for number, line in enumerate(LINES, 1) if line.endswith("# wrong")}

WHY_ANY = {
    "initargs: tuple[Any, ...]": "as concurrent.futures has it",
    "*iterables: Iterable[Any]": "as concurrent.futures has it: each iterable has items of its own type",
    "cost: Callable[[Any], float]": "one budget may be given to calls whose items differ in type",
    "key: Callable[[Any], object] | None": "a dict of options is for items of any type",
    "def to_dict(self) -> dict[str, Any]": "values as json reads them",
    "def kneighbors(": "an array or a pair of arrays, as in scikit-learn",
    "def predict(self, X: ArrayLike, return_spread: bool=False) -> Any": (
        "an array or a pair of arrays, as in scikit-learn"
    ),
    "estimator: Any": "any regressor of scikit-learn's manners",
    "estimator: Any=None": "any regressor of scikit-learn's manners",
    "X: Any = None": "arrays of NumPy, which the module does not import",
    "y: Any = None": "arrays of NumPy, which the module does not import",
    "sample_weight: Any = None": "arrays of NumPy, which the module does not import",
    "observations: Any = None": "rows of a history or samples, as they were given",
    "data: Any": "a history, observations or a pair (X, y)",
    "archive: Any=None": "a path, or a file that is open",
}
"""Where the public API says ``Any``, and the reason."""


def problems(found: Set[int]) -> list[str]:
    """Lines where a type checker and the file do not agree."""
    return [
        f"{'no error' if line in WRONG else 'error'} in line {line}: {LINES[line - 1]}"
        for line in sorted(found ^ WRONG)
    ]


def test_mypy_agrees_with_the_assertions() -> None:
    words = ["--strict", "--no-error-summary", str(ASSERTIONS)]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *words],
        capture_output=True, text=True, cwd=ROOT, timeout=170, check=False,
    )  # fmt: skip
    found = {int(line) for line in re.findall(r"assertions\.py:(\d+): error", done.stdout)}
    assert not problems(found), done.stdout + done.stderr


@pytest.mark.skipif(not PYRIGHT.exists(), reason="no pyright")
def test_pyright_agrees_with_the_assertions() -> None:
    done = subprocess.run(
        [str(PYRIGHT), "--outputjson", "--level", "error", "--pythonpath", sys.executable,
         "--project", str(ASSERTIONS.parent)],
        capture_output=True, text=True, cwd=ROOT, timeout=170, check=False,
    )  # fmt: skip
    told = json.loads(done.stdout)["generalDiagnostics"]
    found = {1 + one["range"]["start"]["line"] for one in told if one["severity"] == "error"}
    assert not problems(found), json.dumps(told, indent=1)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.skipif(not PYRIGHT.exists(), reason="no pyright")
def test_every_public_name_has_a_type_that_all_checkers_read_alike(tmp_path: Path) -> None:
    """As ``pyright --verifytypes`` sees an installed package: public names and their members."""
    done = subprocess.run(
        [str(PYRIGHT), "--verifytypes", "amorsize", "--ignoreexternal", "--outputjson",
         "--pythonpath", sys.executable],
        capture_output=True, text=True, cwd=tmp_path, timeout=590, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    symbols = json.loads(done.stdout)["typeCompleteness"]["symbols"]
    known = {one["name"]: one["isTypeKnown"] and not one["isTypeAmbiguous"] for one in symbols}
    public = set()
    for module in MODULES:
        for name in names_of(module):
            value = getattr(import_module(module), name)
            home = getattr(value, "__module__", None) if callable(value) else None
            public |= {f"{module}.{name}", f"{home}.{name}"}
    mine = [name for name in known if any(f"{name}.".startswith(f"{one}.") for one in public)]
    assert len(mine) > 350
    assert [name for name in mine if not known[name]] == []


def test_the_public_api_is_the_one_of_the_snapshot() -> None:
    assert snapshot() == SNAPSHOT.read_text(encoding="utf-8"), (
        "the public API has changed: if that is meant, run `make api`, and tell it in CHANGELOG.md"
    )


def test_any_stands_in_the_public_api_only_for_a_reason() -> None:
    unused = set(WHY_ANY)
    for line in SNAPSHOT.read_text(encoding="utf-8").splitlines():
        left = line
        for words in sorted(WHY_ANY, key=len, reverse=True):
            if words in left:
                unused.discard(words)
                left = left.replace(words, "")
                if words.startswith("def "):  # what is named is the whole signature
                    left = ""
        assert not re.search(r"\bAny\b", left), line
    assert not unused


def test_every_option_is_typed() -> None:
    """Those that are checked at run time, and no other."""
    hints = RunOptions.__annotations__.keys()
    assert hints | {"on_error"} == NAMES
    assert SettingsOptions.__annotations__.keys() == NAMES


def overloads(module: str, name: str, inside: str | None = None) -> list[str]:
    """The overloads of a call, without self."""
    found = definition(module, inside or name)
    assert found is not None
    nodes = [one for top in found for one in ast.walk(top)]
    defs = [one for one in nodes if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    typed = [one for one in defs if one.name == name and one.decorator_list]
    return [ast.unparse(one).replace("self, ", "", 1) for one in typed]


@pytest.mark.parametrize("name", ["execute", "stream", "optimize", "aexecute", "astream"])
def test_a_tuner_is_typed_as_the_calls_are(name: str) -> None:
    assert overloads("amorsize", name) == overloads("amorsize", name, "Tuner") != []
    here = inspect.signature(getattr(amorsize, name)).parameters
    there = inspect.signature(getattr(amorsize.Tuner, name)).parameters
    assert list(there) == ["self", *here]


def test_types_are_there_at_run_time_too() -> None:
    """For programs that read them; and a plan may be subscripted."""
    assert amorsize.Plan[int] is amorsize.Plan
    assert "close" in dir(amorsize.Results)


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_documented(module: str) -> None:
    for name in names_of(module):
        value = getattr(sys.modules[module], name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), name
