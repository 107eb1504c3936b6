"""The list of allowed skips."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from support.skips import allowed_skips, forbidden_skips
from support.windows import linux_facility

from amorsize.errors import OptionError


def test_skips_are_held_against_the_list() -> None:
    allowed = allowed_skips("# comment\n\ntests/a.py::x* | * is not installed  # why\n")
    assert allowed == [("tests/a.py::x*", "* is not installed")]
    skipped = [
        ("tests/a.py::x[fish]", "fish is not installed"),
        ("tests/a.py::x[fish]", "no time"),
        ("tests/b.py::x", "fish is not installed"),
    ]
    assert forbidden_skips(skipped, allowed) == skipped[1:]


def test_only_what_a_test_itself_asks_of_linux_is_its_facility(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "fork", raising=False)
    monkeypatch.delattr(signal, "alarm", raising=False)

    def named_here() -> None:
        os.fork()

    def alarmed() -> None:
        signal.alarm(1)

    def is_wrong() -> None:
        assert sys.platform == "nowhere"

    def is_ours() -> None:
        compiled = compile("import os\nos.fork()", "amorsize/engine/driver.py", "exec")
        exec(compiled, {})

    def forks() -> None:
        raise OptionError("backend", "fork", "this system cannot fork", "use processes")

    found = []
    for act in (named_here, alarmed, is_wrong, is_ours, forks):
        with pytest.raises((AttributeError, AssertionError, OptionError)) as caught:
            act()
        found.append(linux_facility(caught.value))
    assert found == ["fork", "alarm", None, None, "it asks for a fork"]
