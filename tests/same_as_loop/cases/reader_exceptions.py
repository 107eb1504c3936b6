"""Functions that raise out of the call: where does the source stand afterwards, and what is left?"""

from case import Case, case, compute, nap


@case("iterators", effect=True)
def source_stands_right_after_the_failing_item():
    """The loop ends with an exception; the caller goes on with the same iterator."""
    source = iter(range(150))

    def f(x):
        compute()
        return x if x != 135 else int("no number")

    return Case(f, source, left=lambda: next(source))


class Spoiled(Exception):
    """Two arguments, one of them kept: not to be had from a pickle."""

    def __init__(self, batch, number):
        super().__init__(f"batch {batch}, number {number}")
        self.batch = batch


@case("pickling", effect=True)
def raised_with_two_arguments():
    """An exception that cannot be unpickled must still arrive as itself."""

    def f(x):
        nap()
        if x == 128:
            raise Spoiled("A", x)
        return x

    return Case(f, range(150))


@case("order", effect=True)
def nothing_runs_after_the_first_failure():
    """Items behind the failing one are never begun: the list says which were."""
    begun = []

    def f(x):
        begun.append(x)
        compute()
        return 1 / (140 - x)

    return Case(f, range(150), left=lambda: begun)
