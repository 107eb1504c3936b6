"""What cannot be read is not safe: an unknown Python or instruction keeps the run in the caller."""

from __future__ import annotations

from collections.abc import Callable
from opcode import opmap
from typing import Any

import pytest

import amorsize
from amorsize.inspection import decode, walker
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
    with pytest.warns(amorsize.AmorsizeWarning, match=r"Python 3\.99 is newer .*up to 3\."):
        plan = amorsize.optimize(burn, [100_000] * 200, history=None)
    assert plan.backend == "serial" and any("3.99" in reason for reason in plan.reasons)
    assert plan.execute() == [burn(100_000)] * 200
    forced = amorsize.optimize(burn, [100_000] * 200, history=None, backend="fork")
    assert forced.backend == "processes"
    assert forced.execute() == [burn(100_000)] * 200


def test_an_unknown_instruction_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "BINARY_OP"
    monkeypatch.delitem(ACTIONS, name)
    assert name in (inspect_function(harmless).caller_only or "")


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


DEEP: list[int] = []


def deep_chain(length: int) -> Callable[[int], int]:
    """A function that changes something outside after so many calls into one another."""
    lines = ["def f0(number):\n    DEEP.append(number)\n    return number"]
    lines += [f"def f{i}(number):\n    return f{i - 1}(number)" for i in range(1, length)]
    scope: dict[str, Any] = {"DEEP": DEEP}
    exec("\n".join(lines), scope)
    found: Callable[[int], int] = scope[f"f{length - 1}"]
    return found


@pytest.mark.parametrize("length", [1, 8, 9, 10, 24, 25, 26, 100, 400])
def test_an_effect_at_the_end_of_many_calls_is_seen_or_they_are_not_read(length: int) -> None:
    reason = inspect_function(deep_chain(length)).caller_only or ""
    assert "'DEEP'" in reason if length <= decode_depth() else "deeper" in reason


def decode_depth() -> int:
    """Calls that are followed, the first one included."""
    return walker.DEPTH + 1


def test_code_that_is_longer_than_is_looked_at_is_not_read() -> None:
    body = "\n".join("    number = number * 3 % 7" for _ in range(walker.STEPS // 4))
    scope: dict[str, Any] = {"DEEP": DEEP}
    exec(f"def long(number):\n{body}\n    DEEP.append(number)\n    return number", scope)
    assert "longer" in (inspect_function(scope["long"]).caller_only or "")


NOTED: list[int] = []


def put(where: list[int], number: int) -> int:
    where.append(number)
    return number


def first_new_then_shared(number: int) -> int:
    put([], number)
    return put(NOTED, number)


def first_new_then_the_item(item: list[int]) -> int:
    put([], 1)
    return put(item, 2)


def first_new_then_shared_by_name(number: int) -> int:
    put(where=[], number=number)
    return put(where=NOTED, number=number)


def apply(func: Callable[[int], int], number: int) -> int:
    return func(number)


def pure(number: int) -> int:
    return number + 1


def note(number: int) -> int:
    NOTED.append(number)
    return number


def applies_both(number: int) -> int:
    return apply(pure, number) + apply(note, number)


def inner_first_new_then_shared(number: int) -> int:
    def keep(where: list[int]) -> None:
        where.append(number)

    keep([])
    keep(NOTED)
    return number


def inner_with_another_captured_list(number: int) -> int:
    where: list[int] = []

    def keep() -> None:
        where.append(number)

    keep()
    where = NOTED
    keep()
    return number


@pytest.mark.parametrize(
    "func",
    [
        first_new_then_shared,
        first_new_then_shared_by_name,
        applies_both,
        inner_first_new_then_shared,
        inner_with_another_captured_list,
    ],
)
def test_a_helper_is_read_again_where_its_arguments_mean_something_else(
    func: Callable[[int], int],
) -> None:
    assert "'NOTED'" in (inspect_function(func).caller_only or "")


def test_a_helper_that_changes_the_item_is_read_again() -> None:
    safety = inspect_function(first_new_then_the_item, [[1]])
    assert safety.no_processes == "append changes its item"


MANY = dict.fromkeys(range(200), pure) | {200: note}


def one_of_many(number: int) -> int:
    return MANY[number](number)


def test_all_functions_of_a_large_table_are_read() -> None:
    assert "'NOTED'" in (inspect_function(one_of_many).caller_only or "")


def test_an_error_of_the_inspection_is_told_and_not_taken_for_safe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("in the inspection")

    monkeypatch.setitem(ACTIONS, "BINARY_OP", fail)
    assert "in the inspection" in (inspect_function(harmless).caller_only or "")
