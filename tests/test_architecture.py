"""The house is as tests/architecture.toml draws it: directions of imports, no circle, sizes that shrink.

The rules themselves are tested too: an offence that is added to the real sources is found.
"""

from __future__ import annotations

import ast
import inspect
import pydoc
import subprocess
import sys
from collections import Counter

import pytest
from support import ROOT
from support.architecture import (
    contributing,
    cycles,
    foreign_writes,
    load_table,
    offences,
    sources,
    table_text,
    unneeded_exceptions,
)

import amorsize
from amorsize.core.model import Config

TEXTS = sources()
RULES = load_table()
MODULES = sorted(name for name in TEXTS if name not in ("amorsize", "amorsize.__main__"))


@pytest.mark.parametrize("rule", [name for name in RULES["ratchet"] if name != "modules_of_import"])
def test_no_more_offences_than_the_ratchet_allows(rule: str) -> None:
    found = [one for one in offences(TEXTS, RULES) if one.rule == rule]
    allowed = RULES["ratchet"][rule]
    assert len(found) <= allowed, "\n".join(map(str, found))


def broken(module: str, added: str) -> Counter[str]:
    """The rules that are broken more often when ``added`` stands at the end of a module."""
    before = Counter(one.rule for one in offences(TEXTS, RULES))
    after = Counter(one.rule for one in offences({**TEXTS, module: TEXTS[module] + added}, RULES))
    return after - before


LONG = "\ndef long():\n" + "    value = 0\n" * 60


@pytest.mark.parametrize(
    ("rule", "module", "added"),
    [
        ("upward_imports", "amorsize.planning.cost_model", "\nimport amorsize.api.tuner\n"),
        (
            "upward_imports",
            "amorsize.items.collector",
            "\ndef late():\n    from amorsize.engine import driver\n",
        ),
        (
            "upward_imports",
            "amorsize.core.model",
            "\nif TYPE_CHECKING:\n    from amorsize.history.base import History\n",
        ),
        ("foreign_writes", "amorsize.core.model", "\ndef touch(other):\n    other.value = 1\n"),
        ("foreign_writes", "amorsize.core.model", "\ndef add(self):\n    self.part.value += 1\n"),
        ("foreign_writes", "amorsize.core.model", "\ndef put(a):\n    setattr(a, 'b', 1)\n"),
        ("functions_too_long", "amorsize.core.model", LONG),
        ("too_many_parameters", "amorsize.core.model", "\ndef f(a, b, c, d, *, e, f, g): ...\n"),
        ("files_too_long", "amorsize.version", "#\n" * 450),
        ("imports_in_functions", "amorsize.cli.main", "\ndef f():\n    import amorsize.version\n"),
        (
            "module_cycles",
            "amorsize.core.frozen",
            "\ndef f() -> None:\n    from amorsize.core import model\n",
        ),
        (
            "too_many_attributes",
            "amorsize.core.model",
            "\nclass C:\n    def __init__(self):\n"
            + "".join(f"        self.a{n} = 0\n" for n in range(11)),
        ),
    ],
)
def test_an_added_offence_is_found(rule: str, module: str, added: str) -> None:
    assert broken(module, added)[rule] >= 1


def test_every_exception_is_needed_and_has_a_reason() -> None:
    assert unneeded_exceptions(TEXTS, RULES) == []
    assert all(len(named["reason"]) > 10 for named in RULES["exception"])


@pytest.mark.parametrize("rule", RULES["most_exceptions"])
def test_exceptions_are_few(rule: str) -> None:
    named = [one for one in RULES["exception"] if one["rule"] == rule]
    assert len(named) <= RULES["most_exceptions"][rule]
    if rule == "foreign_writes":
        assert not [one for one in named if one["module"].startswith("amorsize.engine.")]


def test_the_longest_function_that_is_allowed_is_no_offence() -> None:
    assert not broken("amorsize.core.refusal", LONG.replace("    value = 0\n", "", 1))


def test_what_a_function_makes_itself_it_may_write() -> None:
    text = "def f(self, given):\n    made = Made()\n    made.a = 1\n    self.b = 2\n"
    assert not list(foreign_writes("m", ast.parse(text)))


def test_cycles_are_found_by_their_members() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}
    assert cycles(graph) == [["b", "c"]]


def test_every_module_is_in_a_package_of_the_table() -> None:
    known = {one["name"] for one in RULES["package"]}
    assert {name.split(".")[1] for name in MODULES} <= known


def test_contributing_has_the_table() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert text == contributing(text, table_text(RULES)), (
        "run python tests/support/architecture.py --write"
    )


def test_importing_amorsize_loads_few_modules() -> None:
    code = "import sys; b = set(sys.modules); import amorsize; print(len(set(sys.modules) - b))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=150
    )
    assert int(done.stdout) <= RULES["ratchet"]["modules_of_import"]


@pytest.mark.parametrize("name", MODULES)
def test_what_is_public_is_documented(name: str) -> None:
    tree = ast.parse(TEXTS[name])
    assert not tree.body or ast.get_docstring(tree), f"{name} has no docstring"
    missing = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    undocumented_classes = [
        node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.name in missing
    ]
    assert not undocumented_classes, undocumented_classes


def test_nothing_prints_but_the_command_line() -> None:
    for name, text in TEXTS.items():
        if name.startswith("amorsize.cli."):
            continue
        calls = [
            node.lineno
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "print"
        ]
        assert not calls, f"{name} prints at {calls}"


def test_value_classes_show_their_fields() -> None:
    assert str(inspect.signature(Config)).startswith("(backend: 'str', n_jobs: 'int' = 1, ")
    settings = inspect.signature(amorsize.Settings)
    made = settings.bind(explore=0.5)
    made.apply_defaults()
    assert amorsize.Settings(*made.args) == amorsize.Settings(explore=0.5)
    assert list(inspect.signature(amorsize.Plan).parameters)[:2] == ["backend", "n_jobs"]
    assert "explore: 'float' = 0.02" in pydoc.plain(pydoc.render_doc(amorsize.Settings))
    code = "import amorsize, sys; sys.exit('inspect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=150).returncode == 0


def test_no_two_files_of_tests_have_one_name() -> None:
    """pytest collects no second module of a name, unless its folder is a package."""
    files = (ROOT / "tests").rglob("test_*.py")
    names = Counter(path.name for path in files if not (path.parent / "__init__.py").exists())
    assert [name for name, count in names.items() if count > 1] == []
