"""Skips are held against a list of those that are allowed."""

from __future__ import annotations

import fnmatch


def allowed_skips(text: str) -> list[tuple[str, str]]:
    """The patterns of a list of allowed skips: (node id, reason)."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    pairs = (line.partition("|") for line in lines if line)
    return [(node.strip(), reason.strip()) for node, _, reason in pairs]


def reason_not_to_run(node: str, patterns: list[tuple[str, str]]) -> str | None:
    """Why a test, or a whole file, is not run here; None if it is."""
    whole = node.partition("::")[0]
    for pattern, reason in patterns:
        if fnmatch.fnmatchcase(node if "::" in pattern else whole, pattern):
            return reason
    return None


def forbidden_skips(
    skipped: list[tuple[str, str]], allowed: list[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Those of the skipped tests that no pattern allows."""
    return [
        (node, reason)
        for node, reason in skipped
        if not any(
            fnmatch.fnmatchcase(node, node_pattern) and fnmatch.fnmatchcase(reason, reason_pattern)
            for node_pattern, reason_pattern in allowed
        )
    ]
