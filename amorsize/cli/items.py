"""The items that the command line names, and how they are told apart from its other words."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from glob import glob

from amorsize.cli.exit_codes import USAGE, Stop, refuse_directory, usage_errors
from amorsize.cli.messages import short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

READ_BYTES = 1 << 16
"""One read of an input file: what a pipe of Linux holds at most."""

ITEM_WORDS = "MODULE:FUNCTION [ITEM ...] [options]"
"""The words after the name of a command that takes items."""


def add_items(parser: argparse.ArgumentParser) -> None:
    """Add the function and the four ways to name items."""
    parser.add_argument("target", nargs="?", metavar="MODULE:FUNCTION", help="what to call")
    add = parser.add_argument_group("items (one kind)").add_argument
    add("items", nargs="*", metavar="ITEM", help="the items themselves (after --: any text)")
    add(
        "--input",
        metavar="FILE",
        help="one item a line; - is standard input; read as the run goes, never whole",
    )
    add(
        "--jsonl",
        action="store_true",
        help="the lines of --input are JSON (as by the suffix .jsonl); empty ones are left out",
    )
    add(
        "--glob",
        metavar="PATTERN",
        action="append",
        default=[],
        help="the paths that match, sorted; ** goes into directories; may be given again",
    )
    add("--range", metavar="[A:]B[:STEP]", help="the numbers from A (or 0) to B - 1")
    add("--json-items", action="store_true", help="each text is JSON: 3 is a number")


def parse_with_items(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    """Options may stand before, between and after the items; after ``--`` all is items."""
    tail: list[str] = []
    if "--" in words:
        cut = words.index("--")
        words, tail = words[:cut], words[cut + 1 :]
    options = parser.parse_intermixed_args(words)
    named = ([] if options.target is None else [options.target]) + options.items + tail
    if not named:
        parser.error("MODULE:FUNCTION is missing")
    return argparse.Namespace(**{**vars(options), "target": named[0], "items": named[1:]})


def read_items(options: argparse.Namespace) -> Iterable[Any]:
    """The items that the options name: a list or range, or an iterator that reads a file."""
    given = {
        "ITEM": bool(options.items),
        "--input": options.input is not None,
        "--glob": bool(options.glob),
        "--range": options.range is not None,
    }
    kinds = [kind for kind in given if given[kind]]
    if not kinds:
        raise Stop(
            USAGE, f"no items: name them by {', '.join(given)} (--input - reads standard input)"
        )
    if len(kinds) > 1:
        raise Stop(
            USAGE, f"items come from one of {', '.join(given)}, not from {' and '.join(kinds)}"
        )
    if options.jsonl and options.input is None:
        raise Stop(
            USAGE, "--jsonl says what --input holds; for ITEM and --glob there is --json-items"
        )
    if options.range is not None:
        return _parse_range(options.range)
    if options.input is not None:
        as_json = options.jsonl or options.json_items or options.input.endswith(".jsonl")
        return _read_file(options.input, as_json)
    texts: list[str] = options.items or _matching(options.glob)
    if not options.json_items:
        return texts
    return [_parse_json(text, f"item {index}") for index, text in enumerate(texts)]


def _parse_range(text: str) -> range:
    try:
        numbers = [int(part) for part in text.split(":")]
        return range(*numbers)
    except (ValueError, TypeError):
        raise Stop(USAGE, f"--range {text}: must be N, A:B or A:B:STEP in whole numbers") from None


def _matching(patterns: list[str]) -> list[str]:
    found: list[str] = []
    for pattern in patterns:
        paths = sorted(glob(pattern, recursive=True))
        if not paths:
            raise Stop(USAGE, f"--glob {pattern}: nothing matches")
        found += paths
    return found


def _parse_json(text: str, where: str) -> Any:
    from json import loads

    try:
        return loads(text)
    except ValueError as error:
        raise Stop(USAGE, f"{where} is not JSON ({error}): {short(text)}") from None


def _read_file(path: str, as_json: bool) -> Iterator[Any]:
    """The lines of a file; it is opened now and read later."""
    if path == "-":
        return _read_lines(0, "standard input", as_json)
    problem = f"{path} cannot be read"
    refuse_directory(path, problem)
    with usage_errors(OSError, name=problem):
        # As text Windows would end a file at a byte of 0x1A.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    return _read_lines(descriptor, path, as_json)


def _read_lines(descriptor: int, name: str, as_json: bool) -> Iterator[Any]:
    """Lines as they come, without their ends; memory for one read and the longest line.

    By ``os.read`` and not through a file object: a line is there as soon as it was written, and the
    thread that waits for one holds no lock that the end of the interpreter would need. Bytes that
    are not UTF-8 survive as Python's file names do (surrogateescape)."""
    number = 0
    parts: list[bytes] = []
    try:
        while True:
            try:
                block = os.read(descriptor, READ_BYTES)
            except OSError as error:
                raise Stop(USAGE, f"{name} cannot be read: {error.strerror}") from None
            lines = block.split(b"\n")
            if len(lines) > 1:
                lines[0] = b"".join([*parts, lines[0]])
                parts = []
            if lines[-1]:
                parts.append(lines[-1])
            ready = lines[:-1]
            if not block and parts:
                ready = [b"".join(parts)]
            for line in ready:
                number += 1
                text = line.removesuffix(b"\r").decode(errors="surrogateescape")
                if not as_json:
                    yield text
                elif text.strip():
                    yield _parse_json(text, f"{name}, line {number}")
            if not block:
                return
    finally:
        if descriptor:
            os.close(descriptor)
