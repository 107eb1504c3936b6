"""The list of allowed skips."""

from __future__ import annotations

from support.skips import allowed_skips, forbidden_skips


def test_skips_are_held_against_the_list() -> None:
    allowed = allowed_skips("# comment\n\ntests/a.py::x* | * is not installed  # why\n")
    assert allowed == [("tests/a.py::x*", "* is not installed")]
    skipped = [
        ("tests/a.py::x[fish]", "fish is not installed"),
        ("tests/a.py::x[fish]", "no time"),
        ("tests/b.py::x", "fish is not installed"),
    ]
    assert forbidden_skips(skipped, allowed) == skipped[1:]
