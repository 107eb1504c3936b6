"""Containers that change although no line says so."""

import bisect
import heapq
import operator
from array import array
from collections import ChainMap, Counter, OrderedDict, UserDict, defaultdict, deque
from functools import partial
from typing import NamedTuple

from case import Case, case, compute, nap, release

PLACES = defaultdict(list)


def looked_up(number):
    compute()
    return len(PLACES[number % 37])


@case("containers", effect=True)
def defaultdict_read_makes_the_key():
    """Only reads PLACES[key]; but reading a defaultdict enters the key."""
    return Case(looked_up, range(150), left=lambda: dict(PLACES))


@case("containers", effect=True)
def heap_of_the_ten_largest():
    """The heap is an argument of a C function, never the object of a method call."""
    largest = [0] * 10

    def f(x):
        release()
        return heapq.heappushpop(largest, x * 7919 % 1009)

    return Case(f, range(150), left=lambda: sorted(largest))


@case("containers", effect=True)
def partial_of_setitem():
    """A partial from operator stores into the dict that it carries."""
    answers = {}
    remember = partial(operator.setitem, answers)

    def f(x):
        compute()
        remember(x, x**3)
        return x % 5

    return Case(f, range(160), left=lambda: answers)


@case("containers", effect=True)
def loop_variable_is_a_dict_entry():
    """The target of a for statement is an entry of an outer dict: a store without an equals sign."""
    state = {"last": None}

    def f(x):
        nap()
        total = 0
        for state["last"] in range(x, x + 4):
            total += state["last"]
        return total

    return Case(f, range(130), left=lambda: state)


@case("containers", effect=True)
def tally_in_a_default_argument():
    """The tally lives in the function's own default argument."""

    def f(word, tally=Counter()):  # noqa: B006
        compute()
        tally.update(word)
        return tally.most_common(1)[0][1]

    words = [("ab" * (i % 3 + 1)) + "c" * (i % 4) for i in range(150)]
    return Case(f, words, left=lambda: sorted(f.__defaults__[0].items()))


@case("containers", effect=True)
def local_alias_extended_by_plus_equals():
    """A local name, a plus-equals: on a list that changes the list the name came from."""
    totals = {"odd": [], "even": []}

    def f(x):
        compute()
        mine = totals["odd" if x % 2 else "even"]
        mine += [x, -x]
        return len(mine)

    return Case(f, range(150), left=lambda: totals)


@case("containers", effect=True)
def memoryview_over_a_bytearray():
    """Slices of a view are assigned; the bytes belong to somebody else."""
    page = bytearray(2 * 150)
    window = memoryview(page)

    def f(x):
        compute()
        window[2 * x : 2 * x + 2] = (x * 331 % 65536).to_bytes(2, "big")
        return x

    return Case(f, range(150), left=lambda: bytes(page))


@case("containers", effect=True)
def stock_taken_with_pop():
    """Each part is handed out once; whoever comes later gets None."""
    stock = {part: f"shelf {part % 9}" for part in range(60)}
    take = stock.pop

    def f(x):
        nap()
        return take(x * 3 % 97, None)

    return Case(f, range(150), left=lambda: stock)


@case("containers", effect=True)
def chainmap_writes_to_its_first_map():
    """The overlay is a ChainMap; a store goes to a dict that the function never names."""
    own, base = {}, dict.fromkeys(range(50), 0)
    settings = ChainMap(own, base)

    def f(x):
        compute()
        settings[x % 40] = settings[x % 40] + x
        return settings[x % 40]

    return Case(f, range(150), left=lambda: (own, sum(base.values())))


@case("containers", effect=True)
def sorted_list_kept_with_bisect():
    """The rank among all seen so far, by insort into a list of the closure."""
    seen = []

    def f(x):
        compute()
        value = x * 37 % 151
        bisect.insort(seen, value)
        return bisect.bisect_left(seen, value)

    return Case(f, range(150), left=lambda: seen)


class Squares(dict):
    """A table that works out what it lacks, and numbers its entries as they come."""

    def __missing__(self, key):
        self[key] = value = (len(self), key * key)
        return value


SQUARES = Squares()


@case("containers", effect=True)
def missing_entry_is_numbered_and_kept():
    """A dict subclass fills itself in __missing__; the number in it depends on who came first."""

    def f(x):
        compute()
        return SQUARES[x * 17 % 50]

    return Case(f, range(150), left=lambda: dict(SQUARES))


@case("containers", effect=True)
def own_lru_with_move_to_end():
    """A hand-made LRU cache of eight: hits and misses are in the result."""
    kept = OrderedDict()

    def f(x):
        release()
        key = x * x % 23
        hit = key in kept
        if hit:
            kept.move_to_end(key)
        else:
            kept[key] = x
            if len(kept) > 8:
                kept.popitem(last=False)
        return hit

    return Case(f, range(180), left=lambda: list(kept.items()))


class Report(NamedTuple):
    """Immutable, one would think."""

    title: str
    lines: list


REPORT = Report("figures", [])


def reported(number):
    compute()
    REPORT.lines.insert(0, number)
    return REPORT.title, number * 2


@case("containers", effect=True)
def list_inside_an_immutable_tuple():
    """The global is a named tuple and stays the same object; its list grows."""
    return Case(reported, range(150), left=lambda: REPORT)


class CaseBlind(UserDict):
    """Keys in any case; the data is in an attribute of an attribute."""

    def __setitem__(self, key, value):
        super().__setitem__(key.lower(), value)


@case("containers", effect=True)
def update_through_the_or_operator():
    """``headers |= {...}`` on a closure's mapping, reached by a helper's argument."""
    headers = CaseBlind()

    def merge(into, name, value):
        into |= {name: value}

    def f(x):
        nap()
        merge(headers, f"X-{chr(65 + x % 26)}", x)
        return x + 1

    return Case(f, range(140), left=lambda: sorted(headers.data.items()))


@case("containers", effect=True)
def ring_buffer_rotated():
    """Round robin over four servers: the deque turns by one with every item."""
    servers = deque(["a", "b", "c", "d"])

    def f(x):
        nap()
        chosen = servers[0]
        servers.rotate(-1)
        return chosen, x

    return Case(f, range(131), left=lambda: list(servers))


@case("containers", effect=True)
def histogram_in_an_array():
    """A typed array counts; the function only ever says ``bins[i] += 1``."""
    bins = array("L", [0] * 16)

    def f(x):
        compute()
        bins[x * x % 16] += 1
        return x & 3

    return Case(f, range(150), left=lambda: bins.tolist())


@case("containers", effect=True)
def deletes_what_it_has_dealt_with():
    """``del pending[key]``: a statement, no method; the rest is what the caller looks at next."""
    pending = {f"job {i}": i for i in range(200)}

    def f(x):
        compute()
        value = pending[f"job {x}"]
        del pending[f"job {x}"]
        return value + len(pending)

    return Case(f, range(150), left=lambda: pending)
