"""The public API as text: every name, signature and annotated attribute, read off the sources.

``tests/public_api.txt`` holds it, and ``make api`` renews it; its difference in a commit is what the
commit changes for users.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOT = ROOT / "tests" / "public_api.txt"

MODULES: dict[str, tuple[str, ...]] = {
    "amorsize": (),
    "amorsize.history": (
        "History", "HistoryChanged", "HistoryCorrupt", "HistoryError", "HistoryNewer",
        "HistoryRefused", "HistoryUnavailable", "Imported", "Stats", "Table", "open_history",
    ),
    "amorsize.core.model": ("Config", "ItemTries", "Machine", "Prediction", "Run", "WorkerUse"),
    "amorsize.learning": ("tune",),
    "amorsize.ml_prediction": (),
    "amorsize.ml_pruning": (),
    "amorsize.validation": (),
}  # fmt: skip
"""Public modules, and the names of each that are public: ``__all__`` where none are given."""

SHOWN_DUNDERS = {"__init__", "__and__", "__iter__", "__next__", "__getitem__", "__len__"}


def names_of(module: str) -> list[str]:
    """The public names of a public module."""
    return sorted(MODULES[module] or import_module(module).__all__)


def snapshot() -> str:
    """All public modules, one section each."""
    parts = []
    for module in MODULES:
        parts.append(
            f"# {module}\n\n" + "\n".join(entry(module, name) for name in names_of(module))
        )
    return "\n".join(parts)


def entry(module: str, name: str) -> str:
    """What a user can see of one name."""
    found = definition(module, name)
    if found is None:
        return f"{name} = {getattr(import_module(module), name)!r}\n"
    lines = (
        list(_class_lines(found[0])) if isinstance(found[0], ast.ClassDef) else _signatures(found)
    )
    return "\n".join(lines) + "\n"


def definition(module: str, name: str) -> list[ast.stmt] | None:
    """The class, or the overloads and the function, behind a public name; None for a constant."""
    value = getattr(import_module(module), name)
    home = getattr(value, "__module__", None)
    if not isinstance(home, str) or not home.startswith("amorsize"):
        return None
    source = import_module(home).__file__
    assert source is not None
    tree = ast.parse(Path(source).read_text(encoding="utf-8"))
    found = [node for node in _statements(tree.body) if getattr(node, "name", None) == name]
    return [one for node in found for one in _typed(node)] or None


def _typed(node: ast.stmt) -> list[ast.stmt]:
    """The overloads of the method of Tuner whose type a decorator gives a function; else the node."""
    name = getattr(node, "name", "")
    decorators = [ast.unparse(one) for one in getattr(node, "decorator_list", ())]
    if f"_typed_as(_DEFAULT.{name})" not in decorators:
        return [node]
    (tuner,) = definition("amorsize", "Tuner") or ()
    assert isinstance(tuner, ast.ClassDef)
    found = [one for one in _statements(tuner.body) if getattr(one, "name", "") == name]
    for one in found:
        assert isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
        del one.args.args[0]
    return found


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of a body, those under ``if TYPE_CHECKING`` included."""
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _statements(node.body)
        else:
            yield node


def _signatures(nodes: list[ast.stmt], indent: str = "") -> list[str]:
    """The overloads of a function, or else its one signature."""
    defs = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    seen_by_checkers = [node for node in defs if _is(node, "overload")] or defs
    return [line for node in seen_by_checkers for line in _signature(node, indent)]


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, indent: str) -> Iterator[str]:
    for decorator in ("property", "classmethod", "staticmethod", "abstractmethod"):
        if _is(node, decorator):
            yield f"{indent}@{decorator}"
    kind = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = "" if node.returns is None else f" -> {ast.unparse(node.returns)}"
    yield f"{indent}{kind} {node.name}({ast.unparse(node.args)}){returns}"


def _is(node: ast.FunctionDef | ast.AsyncFunctionDef, decorator: str) -> bool:
    return any(ast.unparse(one).split(".")[-1] == decorator for one in node.decorator_list)


def _class_lines(node: ast.ClassDef) -> Iterator[str]:
    words = [ast.unparse(base) for base in node.bases]
    words += [f"{one.arg}={ast.unparse(one.value)}" for one in node.keywords]
    yield f"class {node.name}({', '.join(words)})" if words else f"class {node.name}"
    methods: dict[str, list[ast.stmt]] = {}
    for one in _statements(node.body):
        if isinstance(one, ast.AnnAssign) and not _hidden(ast.unparse(one.target)):
            yield f"    {ast.unparse(one)}"
        elif isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and not _hidden(one.name):
            methods.setdefault(one.name, []).append(one)
    for name in sorted(methods):
        yield from _signatures(methods[name], "    ")


def _hidden(name: str) -> bool:
    return name.startswith("_") and name not in SHOWN_DUNDERS


def main() -> None:
    """Print the API, or write the file."""
    if "--write" in sys.argv:
        SNAPSHOT.write_text(snapshot(), encoding="utf-8")
    else:
        print(snapshot())


if __name__ == "__main__":
    main()
