"""Reads the structure of the package off its source: imports, foreign writes, sizes.

``python tests/support/architecture.py`` prints every offence; with ``--write`` it makes the table in
CONTRIBUTING.md anew.
"""

from __future__ import annotations

import ast
import functools
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "tests" / "architecture.toml"
BEGIN, END = "<!-- packages: made from tests/architecture.toml -->", "<!-- /packages -->"
FREE = frozenset({"core", "errors", "version"})
"""Packages that every other one may import."""


class Offence(NamedTuple):
    """One place that breaks a rule."""

    rule: str
    module: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.rule}: {self.what}"


class Import(NamedTuple):
    """One import of a module of the package."""

    line: int
    target: str
    in_function: bool


def sources(root: Path = ROOT) -> dict[str, str]:
    """Module name to source; a package's ``__init__`` has the package's own name."""
    found = {}
    for path in sorted((root / "amorsize").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text("utf-8")
    return found


def package_of(module: str) -> str:
    """``engine`` for ``amorsize.engine.driver``; the empty text for the package itself."""
    return module.partition(".")[2].partition(".")[0]


def imports(module: str, tree: ast.Module, modules: Mapping[str, Any]) -> Iterator[Import]:
    """All imports of own modules: at the top, in functions and for types."""

    def visit(node: ast.AST, inside: bool) -> Iterator[Import]:
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                if full in modules or node.module in modules:
                    yield Import(node.lineno, full if full in modules else node.module, inside)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in modules:
                    yield Import(node.lineno, alias.name, inside)
        deeper = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, deeper)

    yield from visit(tree, False)


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Strongly connected components of more than one module (Tarjan, SIAM J. Comput. 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def connect(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(graph.get(name, ())):
            if other not in index:
                connect(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            part = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(part) > 1:
                found.append(sorted(part))

    before = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    try:
        for name in sorted(graph):
            if name not in index:
                connect(name)
    finally:
        sys.setrecursionlimit(before)
    return found


def _targets(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Assign | ast.Delete):
        for target in node.targets:
            yield from target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
    elif isinstance(node, ast.AugAssign | ast.AnnAssign | ast.For | ast.AsyncFor):
        yield node.target


def _made_here(function: ast.AST) -> set[str]:
    """Local names bound to the result of a call: objects that the function may have just made."""
    made = {"self", "cls"}
    for node in ast.walk(function):
        value = getattr(node, "value", None)
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(value, ast.Call):
            called = value.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name[:1].isupper() or name in ("__new__", "cls", "from_iterable", "type"):
                made.update(t.id for t in _targets(node) if isinstance(t, ast.Name))
    return made


def foreign_writes(module: str, tree: ast.Module) -> Iterator[Offence]:
    """Assignments to an attribute of an object that the function neither is a method of nor has made."""
    seen: set[int] = set()
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        made = _made_here(function)
        for node in ast.walk(function):
            if id(node) in seen:
                continue  # of a function inside, which sees what the outer one has made
            seen.add(id(node))
            for target in _targets(node):
                if not isinstance(target, ast.Attribute):
                    continue
                base = target.value
                if not (isinstance(base, ast.Name) and base.id in made):
                    yield Offence("foreign_writes", module, node.lineno, ast.unparse(target))
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("setattr", "delattr")
                and not (isinstance(node.args[0], ast.Name) and node.args[0].id in made)
            ):
                yield Offence("foreign_writes", module, node.lineno, ast.unparse(node))


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    if ast.get_docstring(node, clean=False) is None:
        return 0
    first = node.body[0]
    return (first.end_lineno or first.lineno) - first.lineno + 1


def _is_value(node: ast.ClassDef) -> bool:
    words = [ast.unparse(one) for one in (*node.decorator_list, *node.bases)]
    return any("dataclass" in word or "NamedTuple" in word for word in words)


def sizes(module: str, text: str, tree: ast.Module, limits: Mapping[str, int]) -> Iterator[Offence]:
    """Files, functions, parameter lists and classes that are larger than the limits."""
    lines = text.count("\n")
    if lines > limits["file_lines"]:
        yield Offence("files_too_long", module, 1, f"{lines} lines")
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1 - _docstring_lines(node)
            if length > limits["function_lines"]:
                yield Offence("functions_too_long", module, node.lineno, f"{node.name}: {length}")
            given = node.args
            every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
            count = sum(one is not None and one.arg not in ("self", "cls") for one in every)
            if count > limits["parameters"]:
                yield Offence("too_many_parameters", module, node.lineno, f"{node.name}: {count}")
        elif isinstance(node, ast.ClassDef) and not _is_value(node):
            names = {
                target.attr
                for inner in ast.walk(node)
                for target in _targets(inner)
                if isinstance(target, ast.Attribute)
                and isinstance(target.value, ast.Name)
                and target.value.id == "self"
                and not target.attr.startswith("_")
            }
            if len(names) > limits["public_attributes"]:
                yield Offence(
                    "too_many_attributes", module, node.lineno, f"{node.name}: {len(names)}"
                )


@functools.cache
def _tree(text: str) -> ast.Module:
    return ast.parse(text)


@functools.cache
def _imports(module: str, text: str, modules: frozenset[str]) -> list[Import]:
    return list(imports(module, _tree(text), dict.fromkeys(modules)))


@functools.cache
def _own_offences(module: str, text: str, limits: tuple[tuple[str, int], ...]) -> list[Offence]:
    tree = _tree(text)
    return [*foreign_writes(module, tree), *sizes(module, text, tree, dict(limits))]


def offences(texts: Mapping[str, str], table: Mapping[str, Any]) -> list[Offence]:
    """Everything in ``texts`` (module name to source) that breaks a rule of the ``table``."""
    may = {one["name"]: set(one["may_import"]) | FREE | {one["name"]} for one in table["package"]}
    limits = tuple(table["limits"].items())
    found: list[Offence] = []
    graph: dict[str, set[str]] = {name: set() for name in texts}
    modules = frozenset(texts)
    for module, text in texts.items():
        own = package_of(module)
        for one in _imports(module, text, modules):
            graph[module].add(one.target)
            other = package_of(one.target)
            if own not in ("", "__main__") and not ({other, "*"} & may.get(own, set())):
                found.append(Offence("upward_imports", module, one.line, one.target))
            if one.in_function:
                found.append(Offence("imports_in_functions", module, one.line, one.target))
        found += _own_offences(module, text, limits)
    for part in cycles({name: to - {name} for name, to in graph.items()}):
        found += [Offence("module_cycles", name, 1, " ".join(part)) for name in part]
    return [one for one in found if not is_excepted(one, table)]


def is_excepted(one: Offence, table: Mapping[str, Any]) -> bool:
    """Whether the table names the offence: its rule, its module, and how its words begin."""
    return any(
        named["rule"] == one.rule
        and named["module"] == one.module
        and one.what.startswith(named["what"])
        for named in table["exception"]
    )


def unneeded_exceptions(
    texts: Mapping[str, str], table: Mapping[str, Any]
) -> list[Mapping[str, str]]:
    """Exceptions of the table that nothing in ``texts`` needs."""
    bare = {**table, "exception": []}
    found = offences(texts, bare)
    return [
        named
        for named in table["exception"]
        if not any(is_excepted(one, {"exception": [named]}) for one in found)
    ]


def table_text(table: Mapping[str, Any]) -> str:
    """The packages as a table for CONTRIBUTING.md."""
    rows = ["| Package | Answers for | May import |", "| --- | --- | --- |"]
    for one in table["package"]:
        may = "everything" if one["may_import"] == ["*"] else ", ".join(one["may_import"]) or "-"
        rows.append(f"| `{one['name']}` | {one['answers_for']} | {may} |")
    return "\n".join(rows)


def load_table() -> dict[str, Any]:
    """The rules, from tests/architecture.toml."""
    return tomllib.loads(TABLE.read_text("utf-8"))


def contributing(text: str, table: str) -> str:
    """``CONTRIBUTING.md`` with the table between its two marks."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}"


def main() -> None:
    """Print every offence, or write the table."""
    texts, table = sources(), load_table()
    if "--write" in sys.argv:
        path = ROOT / "CONTRIBUTING.md"
        path.write_text(contributing(path.read_text("utf-8"), table_text(table)), "utf-8")
        return
    for one in offences(texts, table):
        print(one)


if __name__ == "__main__":
    main()
