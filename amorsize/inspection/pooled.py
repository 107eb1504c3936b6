"""Pools of connections: what a client changes in itself while it asks a server.

::

    client --> ... --> pool, with a lock --> container --> connection --> what it has sent and received
                        ^ counts its calls      ^ taken out and put back   ^ changes with each request

A client that is made for threads keeps its connections in a container, behind a lock, and takes one
out for each request (urllib3, and so requests and boto3; httpcore, and so httpx and the clients of
language models). Which of its connections has served an item is nothing that a result tells of, so
changes in there are not taken for effects; they bar processes, which must never share a connection.
A connection of its own, without a pool, is none of this; nor is what else a client keeps, such as
headers and cookies.

Only connections of HTTP count: a request there stands for itself. On a connection to a database a
statement may depend on the one before.

Recognised by their parts, not by name; no code of theirs runs here.
"""

from __future__ import annotations

from time import thread_time

from amorsize.inspection.bindings import binding
from amorsize.inspection.kinds import class_name, plan_of, type_module, type_mro
from amorsize.inspection.state import ATTRIBUTE, Limit, same_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from amorsize.inspection.look import Look
    from amorsize.inspection.state import State

PROTOCOLS = frozenset({"h11", "h2"})
"""Packages whose objects are the two ends of one HTTP connection; they have no socket themselves."""

CONNECTION_DEPTH = 2
"""Attributes down which a connection is looked for: a wrapper that chooses the protocol, its connection,
and the protocol's state."""

LOCKS = frozenset({"_thread.lock", "_thread.RLock", "threading.Condition", "threading.Semaphore"})
"""Types that let one thread in at a time."""

QUEUES = frozenset({"queue.Queue", "queue.LifoQueue", "queue.PriorityQueue"})
"""Containers that have their lock with them."""

CONTAINERS = frozenset(
    {
        "builtins.list",
        "builtins.dict",
        "builtins.set",
        "collections.deque",
        "collections.OrderedDict",
    }
)

STORES = CONTAINERS | QUEUES
"""In which a pool may keep its connections."""

NO_RESOURCE = frozenset({"a lock"})
"""What only one process has, and says nothing of what was done before."""

MOST_PARTS = 1000
"""Elements of one container that are read at most."""

COUNTS = (int, float, bool, type(None))
"""Types of what a pool of a library may count of itself."""


def pool_of(look: Look, node: Any, after: State) -> int:
    """Where the pool stands in ``look.queue`` in which a change happened; -1 of any other change.

    ``node`` is the object as it was read first, ``after`` its state now. What was a pool then counts,
    even if its connections have been closed meanwhile. An attribute that the user's code names is none of
    the client's affairs, on a connection either."""
    obj, _, _, before, index, style = node
    position: int = index
    if style == ATTRIBUTE and not look.trail.names.isdisjoint(_changed_names(before, after)):
        return -1
    if style == ATTRIBUTE and _is_locked(_attributes(obj).values()):
        stores = [*_containers(before[2]), *_containers(after[2])]
        if any(map(holds_connections, stores)):
            return position if _is_bookkeeping(obj, before, after) else -1
    inner = outer = obj
    while position >= 0:
        current, above = look.queue[position][:2]
        if current is not outer:
            if class_name(type(outer)) in STORES and _is_locked(_attributes(current).values()):
                held = (*before[2], *after[2]) if inner is outer else (inner,)
                if any(map(_is_held, held)):
                    return position
            inner, outer = outer, current
        position = above
    return -1


def kept_connections(pool: Any) -> int:
    """How many connections a pool keeps; 0 where it does not say so.

    More calls at once than that make it open new ones and throw them away, and tell its log of each. Read
    from what is called so: the size of a queue, an attribute with "max" in its name."""
    parts = _attributes(pool)
    held = [one for part in _containers(parts.values()) for one in _elements(part)]
    if not any(map(is_connection, held)):  # of pools it says how many of them there are
        return min(filter(None, map(kept_connections, filter(is_pool, held))), default=0)
    queues = [_attributes(one) for one in parts.values() if class_name(type(one)) in QUEUES]
    most = [inner.get("maxsize") for inner in queues]
    most += [value for name, value in parts.items() if type(name) is str and "max" in name]
    return min((one for one in most if type(one) is int and one > 0), default=0)


def is_pool(obj: Any) -> bool:
    """Has it a lock, and a container of its own with connections, or with pools, in it?"""
    parts = _attributes(obj).values()
    if not _is_locked(parts):
        return False
    return any(holds_connections(one) for one in _containers(parts))


def holds_connections(container: Any) -> bool:
    """Is a connection, or a pool of them, in a container or queue?"""
    return any(_is_held(one) for one in _elements(container))


def other_resource(container: Any) -> str | None:
    """What in a container belongs to a process and is no connection of HTTP, such as a socket whose
    protocol is not known; None where there is none."""
    for one in _elements(container):
        if not is_connection(one):
            for part in (one, *_attributes(one).values()):
                bound = binding(part)
                if bound is not None and bound[1] not in NO_RESOURCE:
                    return bound[1]
    return None


def is_connection(obj: Any, depth: int = CONNECTION_DEPTH) -> bool:
    """Is it an HTTP connection, or a wrapper of one?"""
    if "http.client.HTTPConnection" in map(class_name, type_mro(type(obj))):
        return True
    parts = _attributes(obj).values()
    if any(str(type_module(type(part))).partition(".")[0] in PROTOCOLS for part in parts):
        return True
    return depth > 0 and any(is_connection(part, depth - 1) for part in parts)


def _is_held(obj: Any) -> bool:
    return is_connection(obj) or is_pool(obj)


def _attributes(obj: Any) -> dict[Any, Any]:
    """Attributes of an object of a class that a ``class`` statement made, read as a look reads them."""
    plan = plan_of(type(obj))
    if plan.atom or plan.is_class or plan.is_module or not (plan.own or plan.foreign):
        return {}
    for reader in plan.readers:
        if reader.__name__ in ("read_dict_attributes", "read_slots"):
            _, names, values = reader(obj, Limit(1.0, MOST_PARTS, thread_time))
            return dict(zip(names or (), values, strict=True))
    return {}


def _is_locked(parts: Iterable[Any]) -> bool:
    """Is a lock among these attributes, or a library's object that holds a lock and nothing else?"""
    for part in parts:
        name = class_name(type(part))
        if name in LOCKS or name in QUEUES:
            return True
        inner = tuple(_attributes(part).values()) if plan_of(type(part)).foreign else ()
        if len(inner) == 1 and class_name(type(inner[0])) in LOCKS:
            return True
    return False


def _containers(parts: Iterable[Any]) -> Iterator[Any]:
    """Those of these attributes in which a pool may keep its connections."""
    return (part for part in parts if class_name(type(part)) in STORES)


def _elements(container: Any) -> tuple[Any, ...]:
    """What is in a container, of a mapping its values."""
    if class_name(type(container)) in QUEUES:
        container = _attributes(container).get("queue", ())
    if issubclass(type(container), dict):
        return tuple(dict.values(container))
    return tuple(container) if class_name(type(container)) in CONTAINERS else ()


def _changed_names(before: State, after: State) -> set[Any]:
    """Names of the attributes that differ."""
    was = dict(zip(before[1] or (), before[2], strict=False))
    now = dict(zip(after[1] or (), after[2], strict=False))
    names = [name for name in was | now if type(name) is str]
    return {name for name in names if not same_value(was.get(name), now.get(name))}


def _is_bookkeeping(obj: Any, before: State, after: State) -> bool:
    """Did nothing change of the attributes of a library's pool but numbers, and what it keeps its
    connections in?"""
    if not plan_of(type(obj)).foreign or before[1] is None or after[1] != before[1]:
        return False
    return all(
        same_value(was, now)
        or (type(was) in COUNTS and type(now) in COUNTS)
        or (type(was) is type(now) and _holds_nothing_else(was) and _holds_nothing_else(now))
        for was, now in zip(before[2], after[2], strict=True)
    )


def _holds_nothing_else(container: Any) -> bool:
    return class_name(type(container)) in CONTAINERS and all(map(_is_held, _elements(container)))
