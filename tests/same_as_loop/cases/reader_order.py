"""What the last item left is what the next one starts from."""

import hashlib
import heapq
import math

from case import Case, case, compute, nap, release


@case("order", effect=True)
def chain_of_hashes():
    """Every link holds the digest of the one before, in a nonlocal."""
    last = "genesis"

    def f(x):
        nonlocal last
        release()
        last = hashlib.md5(f"{last}{x}".encode()).hexdigest()[:10]
        return last

    return Case(f, range(150), left=lambda: last)


@case("order", effect=True)
def differences_to_the_one_before():
    """Delta coding; the first result is one of a kind."""
    before = [None]

    def f(x):
        compute()
        change = None if before[0] is None else x - before[0]
        before[0] = x
        return change

    return Case(f, [i * i % 97 for i in range(150)], left=lambda: before)


@case("order", effect=True)
def stops_when_it_has_found():
    """After the first hit all later items are answered without work."""
    found = None

    def f(x):
        nonlocal found
        nap()
        if found is not None:
            return "skipped"
        if x * x % 143 == 100 and x > 90:
            found = x
            return "found"
        return "no"

    return Case(f, range(140), left=lambda: found)


class Bound:
    """The best so far, by which the rest is cut."""

    best = math.inf


def branch(start):
    compute()
    cost, steps = start % 23 + 10, 0
    while cost < Bound.best and steps < 20:
        steps += 1
        cost += (start * steps) % 5
    if cost < Bound.best:
        Bound.best = cost
    return steps


@case("order", effect=True)
def branch_and_bound():
    """How much work an item does depends on the best bound of all before it."""
    return Case(branch, range(149, -1, -1), left=lambda: Bound.best)


@case("order", effect=True)
def union_find():
    """Edges joined one by one; whether an edge closes a circle depends on those before."""
    parent = list(range(60))

    def root(node):
        while parent[node] != node:
            parent[node] = node = parent[parent[node]]
        return node

    def f(edge):
        compute()
        a, b = root(edge[0]), root(edge[1])
        parent[a] = b
        return a != b

    edges = [(i * 7 % 60, (i * i + 3) % 60) for i in range(150)]
    return Case(f, edges, left=lambda: [root(node) for node in range(60)])


@case("order", effect=True)
def account_must_not_be_overdrawn():
    """A withdrawal is refused or not by what is left in an attribute of the function's self."""

    class Account:
        balance = 1000

        def draw(self, amount):
            nap()
            if amount > self.balance:
                return "refused"
            self.balance -= amount
            return self.balance

    account = Account()
    return Case(account.draw, [i * 17 % 40 for i in range(130)], left=lambda: account.balance)


@case("order", effect=True)
def lines_belong_to_a_section():
    """A heading counts for all lines until the next one."""
    section = "none"

    def f(line):
        nonlocal section
        compute()
        if line.startswith("["):
            section = line.strip("[]")
            return None
        return f"{section}.{line}"

    lines = [f"[s{i // 10}]" if i % 10 == 4 else f"key{i}" for i in range(150)]
    return Case(f, lines, left=lambda: section)


@case("order", effect=True)
def codes_of_a_growing_dictionary():
    """LZW: the code of a word exists from its second time on."""
    codes = {}

    def f(word):
        compute()
        return codes.setdefault(word, ~len(codes))

    return Case(f, [str(i * i % 71) for i in range(150)], left=lambda: list(codes))


@case("order", effect=True)
def warm_start_from_the_last_solution():
    """Newton from where the last one ended: the count of steps is the witness."""
    state = {"root": 1.0, "steps": 0}

    def f(x):
        release()
        root, steps = state["root"], 0
        while abs(root * root - x) > 1e-9 * x and steps < 60:
            root = (root + x / root) / 2
            steps += 1
        state.update(root=root, steps=state["steps"] + steps)
        return steps

    return Case(f, range(1, 151), left=lambda: state["steps"])


@case("order", effect=True)
def two_heaps_for_the_median():
    """The running median, with halves in two heaps."""
    low, high = [], []

    def f(x):
        compute()
        heapq.heappush(high, -heapq.heappushpop(low, -x))
        if len(high) > len(low):
            heapq.heappush(low, -heapq.heappop(high))
        return -low[0]

    return Case(f, [i * 43 % 151 for i in range(150)], left=lambda: (len(low), len(high)))


@case("order", effect=True)
def except_branch_switches_off():
    """A circuit breaker: three failures and the service is not asked any more."""
    failures, asked = 0, 0

    def service(x):
        nonlocal asked
        asked += 1
        return 100 // (x % 20)

    def f(x):
        nonlocal failures
        nap()
        if failures >= 3:
            return "open"
        try:
            return service(x)
        except ZeroDivisionError:
            failures += 1
            return "failed"

    return Case(f, range(130), left=lambda: (failures, asked))
