"""The house is as CONTRIBUTING draws it: every module in the table, imports only downwards, no cycle."""

from __future__ import annotations

import ast
import inspect
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import pytest

import amorsize
from amorsize.core.model import Config

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "amorsize"
ROW = re.compile(r"^\| *(?P<layer>[^|]*?) *\| *(?P<modules>`[^|]*?) *\|")


def module_names() -> dict[str, Path]:
    """Dotted names below the package, without its own: ``backends.fork``, ``cli.__init__``."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if name not in ("__init__", "__main__"):
            found[name] = path
    return found


def layers() -> dict[str, str]:
    """Each module of the table with the first sign of its layer: a digit, or "s" for side."""
    table: dict[str, str] = {}
    layer = ""
    for line in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines():
        match = ROW.match(line)
        if match is None:
            continue
        layer = match["layer"][:1] or layer
        for name in re.findall(r"`([^`]+)`", match["modules"]):
            table[name.replace("/", ".")] = layer
    return table


def imports(path: Path, *, at_top: bool) -> set[str]:
    """Modules of the package that a file imports at run time; ``at_top``: when it is imported."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for child in node.orelse:
                visit(child)
            return
        if at_top and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    modules = module_names()
    named = {name.removeprefix("amorsize.") for name in found if name.startswith("amorsize.")}
    packages = {name.removesuffix(".__init__") for name in modules if name.endswith(".__init__")}
    return {f"{name}.__init__" if name in packages else name for name in named} & modules.keys()


def test_the_table_lists_every_module_and_no_other() -> None:
    assert set(layers()) == set(module_names())


@pytest.mark.parametrize("name", sorted(module_names()))
def test_imports_go_down_or_stay(name: str) -> None:
    table = layers()
    wrong = {
        other
        for other in imports(module_names()[name], at_top=True)
        if table[name] != "s" and (table[other] == "s" or table[other] > table[name])
    }
    assert not wrong, f"{name} (layer {table[name]}) imports {wrong}"


def test_no_cycle_of_imports() -> None:
    graph = {name: imports(path, at_top=True) for name, path in module_names().items()}
    done: set[str] = set()

    def walk(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way[way.index(name) :], name))
        if name not in done:
            for other in sorted(graph[name] - {name}):
                walk(other, (*way, name))
            done.add(name)

    for name in sorted(graph):
        walk(name, ())


@pytest.mark.parametrize("name", sorted(module_names()))
def test_what_is_public_is_documented(name: str) -> None:
    tree = ast.parse(module_names()[name].read_text(encoding="utf-8"))
    assert name.endswith("__init__") or ast.get_docstring(tree), f"{name} has no docstring"
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
    for name, path in module_names().items():
        if name.startswith("cli."):
            continue
        calls = [
            node.lineno
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
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
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0
