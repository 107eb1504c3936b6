"""What the caller's context holds: context variables, decimal contexts, blocks that it is in."""

from __future__ import annotations

import contextlib
import contextvars
import decimal
import io
import logging
import warnings
from collections.abc import Iterator
from decimal import Decimal
from functools import partial

from case import Case, case, compute, nap, toil

TENANT: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")
DEPTH: contextvars.ContextVar[int] = contextvars.ContextVar("depth")
REQUEST: contextvars.ContextVar[dict[str, int]] = contextvars.ContextVar("request")


def _ask(item: int) -> str:
    nap()
    return f"{TENANT.get()} {item}"


def _work_for(item: int) -> str:
    toil()
    return f"{TENANT.get()} {item}"


@case("context")
def variable_set_by_the_caller() -> Case:
    """The results show the value of a context variable; items wait."""
    TENANT.set("acme")
    return Case(_ask, range(150))


@case("context")
def variable_set_by_the_caller_computing() -> Case:
    """The results show the value of a context variable; items compute."""
    TENANT.set("acme")
    return Case(_work_for, range(150))


@case("context")
def variable_without_a_default() -> Case:
    """The results rest on a context variable without a default, which is read two calls down."""
    DEPTH.set(3)

    def indented(text: str) -> str:
        return "  " * DEPTH.get() + text

    def work(item: int) -> str:
        nap()
        return indented(f"item {item}")

    return Case(work, range(150))


@case("context")
def variable_set_by_items() -> Case:
    """The loop leaves a context variable as the last item has set it; each item sees the one before."""
    TENANT.set("begin")

    def work(item: int) -> str:
        before = TENANT.get()
        nap()
        TENANT.set(f"item {item}")
        return before

    return Case(work, range(150), left=TENANT.get)


@case("context")
def dict_held_by_a_variable() -> Case:
    """The loop leaves counts in a dict that a context variable holds."""
    counts: dict[str, int] = {"items": 0}
    REQUEST.set(counts)

    def work(item: int) -> int:
        value = compute(item)
        REQUEST.get()["items"] += 1
        return value

    return Case(work, range(150), left=lambda: counts)


@case("context")
def function_run_in_a_captured_context() -> Case:
    """The loop leaves a sum in a context that the caller has copied, and runs the function in."""
    total: contextvars.ContextVar[int] = contextvars.ContextVar("total", default=0)
    context = contextvars.copy_context()

    def work(item: int) -> int:
        compute()
        total.set(total.get() + item)
        return total.get()

    return Case(partial(context.run, work), range(150), left=lambda: context.get(total))


@case("context")
def digits_of_decimals() -> Case:
    """The results have the digits that the caller's decimal context asks for; items wait."""
    decimal.getcontext().prec = 6

    def work(item: int) -> Decimal:
        nap()
        return Decimal(1) / Decimal(item + 3)

    return Case(work, range(150))


@case("context")
def digits_of_decimals_in_a_block() -> Case:
    """The results have the digits of the block that the caller is in; items compute."""
    decimal.localcontext(prec=50).__enter__()

    def work(item: int) -> str:
        toil()
        return str(Decimal(item + 2).sqrt())

    return Case(work, range(150))


@case("context")
def traps_of_decimals() -> Case:
    """The results show that the caller wants inexact decimals to be errors."""
    decimal.getcontext().traps[decimal.Inexact] = True

    def work(item: int) -> str:
        nap()
        try:
            return str(Decimal(item) / Decimal(7))
        except decimal.Inexact:
            return "inexact"

    return Case(work, range(150))


@case("context")
def flags_of_decimals() -> Case:
    """The loop leaves flags in the decimal context, raised by single items."""
    decimal.getcontext().clear_flags()
    decimal.getcontext().traps = dict.fromkeys(decimal.getcontext().traps, False)
    odd = {91: "1E-999999", 102: "9E+999999", 113: "sNaN", 124: "Infinity", 135: "1.23E-40"}

    def work(item: int) -> Decimal:
        compute()
        value = Decimal(odd.get(item, "1"))
        return value * value - value if item in odd else value

    def left() -> list[str]:
        flags = decimal.getcontext().flags
        return sorted(signal.__name__ for signal, raised in flags.items() if raised)

    return Case(work, range(150), left=left)


@case("context")
def rounding_set_by_an_item() -> Case:
    """The results are rounded upwards from the item on that has set so in the decimal context."""
    decimal.getcontext().rounding = decimal.ROUND_DOWN

    def work(item: int) -> Decimal:
        nap()
        if item == 50:
            decimal.getcontext().rounding = decimal.ROUND_UP
        return round(Decimal(item) / 7, 2).quantize(Decimal("0.1"))

    return Case(work, range(150), left=lambda: decimal.getcontext().rounding)


@case("context")
def own_decimal_context_of_the_caller() -> Case:
    """The loop leaves flags in a context object that divides for the items."""
    context = decimal.Context(prec=4)

    def work(item: int) -> Decimal:
        compute()
        return context.divide(Decimal(item), Decimal(7 if item == 100 else 1))

    return Case(work, range(150), left=lambda: context.flags[decimal.Inexact])


@case("context")
def warnings_recorded_by_the_caller() -> Case:
    """The loop leaves a warning for each tenth item in the list of the block that the caller is in."""
    recorder = warnings.catch_warnings(record=True)
    seen = recorder.__enter__()
    warnings.simplefilter("always")

    def work(item: int) -> int:
        value = compute(item)
        if item % 10 == 0:
            warnings.warn(f"item {item} is round", UserWarning, stacklevel=1)
        return value

    def left() -> list[str]:
        return sorted(str(one.message) for one in seen or () if "round" in str(one.message))

    return Case(work, range(150), left=left)


@case("context")
def output_of_a_block() -> Case:
    """The loop leaves lines in the text that the caller's block redirects output to."""
    text = io.StringIO()
    contextlib.redirect_stdout(text).__enter__()

    def work(item: int) -> int:
        nap()
        print(f"item {item}")
        return item

    return Case(work, range(150), left=text.getvalue)


@case("context")
def records_with_the_tenant() -> Case:
    """The loop leaves log records that carry the caller's context variable."""
    TENANT.set("acme")
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{TENANT.get()} {record.getMessage()}")

    logger = logging.getLogger("user.tenant")
    logger.setLevel(logging.INFO)
    logger.addHandler(Lines())
    logger.propagate = False

    def work(item: int) -> int:
        nap()
        logger.info("item %d", item)
        return item

    return Case(work, range(150), left=lambda: sorted(lines))


@case("context")
def token_given_back_by_another_item() -> Case:
    """The results rest on tokens of a context variable that later items give back."""
    TENANT.set("base")
    tokens: list[contextvars.Token[str]] = []

    def work(item: int) -> str:
        nap()
        if item % 2 == 0:
            tokens.append(TENANT.set(f"item {item}"))
        else:
            TENANT.reset(tokens.pop())
        return TENANT.get()

    return Case(work, range(150), left=TENANT.get)


@case("context")
def block_that_the_caller_is_in() -> Case:
    """The results show the indentation of a user's own block, kept in a context variable."""

    @contextlib.contextmanager
    def indent() -> Iterator[None]:
        token = DEPTH.set(DEPTH.get(0) + 1)
        yield
        DEPTH.reset(token)

    block = indent()
    block.__enter__()

    def work(item: int) -> str:
        toil()
        with indent():
            return "-" * DEPTH.get(0) + str(item)

    # The block has to outlive this maker: a generator that is collected would end it.
    work.block = block  # type: ignore[attr-defined]
    return Case(work, range(150), left=lambda: DEPTH.get(0))
