"""Five real functions, one for each way to run: what `amorsize compare` says of them.

cd examples
amorsize compare five_functions:last_digit --range 2000000    stays a loop
amorsize compare five_functions:digest --range 600            threads: hashing lets go of the GIL
amorsize compare five_functions:complexity --range 150        processes: Python code computes
amorsize compare five_functions:ask --range 400               many threads: it waits
amorsize compare five_functions:ask_and_parse --range 60      waits, then computes
"""

from __future__ import annotations

import ast
import hashlib
import time
from pathlib import Path


def last_digit(number: int) -> int:
    """Trivial: handing it over would cost more than it does."""
    return number % 10


def digest(number: int) -> str:
    """SHA-256 of two megabytes."""
    return hashlib.sha256(bytes([number % 256]) * 2_000_000).hexdigest()


FILES = sorted(Path(ast.__file__).parent.glob("*.py"))[:60]
SOURCES = [file.read_text("utf-8", "replace") for file in FILES]
"""Modules of the standard library."""


def complexity(number: int) -> int:
    """Branches in a module of the standard library."""
    tree = ast.parse(SOURCES[number % len(SOURCES)])
    branches = (ast.If, ast.For, ast.While, ast.Try, ast.BoolOp)
    return sum(isinstance(node, branches) for node in ast.walk(tree))


def ask(number: int) -> int:
    """A server that answers after 20 ms."""
    time.sleep(0.02)
    return number


def ask_and_parse(number: int) -> int:
    """An answer to wait for, and work on it."""
    time.sleep(0.02)
    return complexity(number)
