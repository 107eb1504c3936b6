"""What cannot be read is not safe: an unknown Python or instruction keeps the run in the caller."""

from __future__ import annotations

import sys
from opcode import opmap

import pytest

import amorsize
from amorsize.inspection import decode
from amorsize.inspection.effects import inspect_function
from amorsize.inspection.instructions import ACTIONS


def burn(number: int) -> int:
    return sum(range(number))


def harmless(number: int) -> int:
    return number * number


def test_a_python_of_the_future_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert inspect_function(harmless).caller_only is None
    monkeypatch.setattr(decode, "running_version", lambda: (3, 99))
    assert "3.99" in (inspect_function(harmless).caller_only or "")
    plan = amorsize.optimize(burn, [20_000] * 400, history=None)
    assert plan.backend == "serial" and any("3.99" in reason for reason in plan.reasons)
    assert plan.execute() == [burn(20_000)] * 400
    forced = amorsize.optimize(burn, [20_000] * 400, history=None, backend="fork")
    assert forced.backend == "processes"
    assert forced.execute() == [burn(20_000)] * 400


def test_an_unknown_instruction_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "BINARY_OP"
    monkeypatch.delitem(ACTIONS, name)
    assert name in (inspect_function(harmless).caller_only or "")


@pytest.mark.skipif(
    sys.version_info >= (3, 15), reason="instructions of Python 3.15 are not known yet"
)
def test_every_instruction_of_this_python_is_in_a_table() -> None:
    known = {*ACTIONS, *decode.POPS_PUSHES, *decode.JUMPS, *decode.ENDS}
    unneeded = {"CACHE", "EXTENDED_ARG", "RESUME_QUICK", "RESUME", "INTERPRETER_EXIT"}
    missing = {name for name, number in opmap.items() if number < 236} - known - unneeded
    assert {name for name in missing if not name.startswith("INSTRUMENTED_")} == set()


def imports_inside(place: str) -> None:
    import os

    os.chdir(place)


def test_an_import_inside_of_the_function_is_seen() -> None:
    assert "os.chdir" in (inspect_function(imports_inside).caller_only or "")


def test_a_closure_that_holds_itself_can_be_judged() -> None:
    def factorial(number: int) -> int:
        return 1 if number < 2 else number * factorial(number - 1)

    assert amorsize.execute(factorial, range(30)) == [factorial(n) for n in range(30)]
    assert inspect_function(factorial).caller_only is None


def test_a_closure_that_is_not_filled_yet_can_be_judged() -> None:
    def early(number: int) -> int:
        return late + number

    if number_of_cells := len(early.__closure__ or ()):
        with pytest.raises(NameError):
            amorsize.execute(early, range(number_of_cells))
    late = 1
    assert amorsize.execute(early, [1]) == [2]


def one_file_for_each(path: str) -> int:
    with open(path, "w", encoding="ascii") as file:
        return file.write("text")


def one_file_for_all(text: str) -> int:
    with open("log.txt", "w", encoding="ascii") as file:
        return file.write(text)


def test_a_file_of_its_own_is_no_file_that_items_share() -> None:
    assert inspect_function(one_file_for_each, ["a.txt"]).caller_only is None
    assert "share" in (inspect_function(one_file_for_all, ["a"]).caller_only or "")
