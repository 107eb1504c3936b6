"""Clients of an application's own with a pool of connections; written before the rule was looked at."""

from __future__ import annotations

import functools
import http.client
import importlib
import socket
import sys
import tempfile
import threading
import xmlrpc.client
from pathlib import Path
from typing import Any

import user_client
import user_web
from case import Case, case

N = 60


@case("clients")
def own_client_that_counts() -> Case:
    """The results have the number of the request."""
    client = user_web.Counting(user_web.start_server())
    return Case(lambda item: client.get(f"/page/{item}"), range(N), left=lambda: client.count)


@case("clients")
def own_client_with_its_last_answer() -> Case:
    """The results have the answer before; the loop leaves the last one."""
    client = user_web.Remembering(user_web.start_server())
    return Case(lambda item: client.get(f"/page/{item}"), range(N), left=lambda: client.last)


@case("clients")
def own_client_with_its_last_answer_left() -> Case:
    """The loop leaves the last answer, which no result has."""
    client = user_web.Pool(user_web.start_server())

    def work(item: int) -> str:
        client.last = client.get(f"/page/{item}")  # type: ignore[attr-defined]
        return client.last  # type: ignore[attr-defined, no-any-return]

    return Case(work, range(N), left=lambda: client.last)  # type: ignore[attr-defined]


@case("clients")
def own_client_in_turns() -> Case:
    """The results have the server whose turn it was."""
    client = user_web.RoundRobin([user_web.start_server()])
    return Case(lambda item: client.get(f"/page/{item}"), range(N), left=lambda: client.index)


@case("clients")
def own_client_with_a_token() -> Case:
    """The results have the token, renewed after 25 uses: the first items see no renewal."""
    client = user_web.Token(user_web.start_server(), 25)
    return Case(lambda item: client.get(f"/page/{item}"), range(N), left=lambda: client.token)


@case("clients")
def own_client_with_a_breaker() -> Case:
    """Items are not asked for after three failures; of the first 30 none fails."""
    client = user_web.Breaker(user_web.start_server())
    data = [number * 5 + 2 for number in range(30)] + list(range(N))
    return Case(lambda item: client.get(f"/page/{item}"), data, left=lambda: client.failures)


@case("clients")
def own_client_with_a_log_beside() -> Case:
    """The loop leaves the answers in their order."""
    client = user_web.Logged(user_web.start_server())
    return Case(lambda item: client.get(f"/page/{item}"), range(N), left=lambda: client.log)


@case("clients")
def own_client_with_a_cache() -> Case:
    """Items come again, and the client knows some of them."""
    client = user_web.Cached(user_web.start_server())
    data = [item * 7 % 12 for item in range(N)]
    return Case(lambda item: client.get(f"/page/{item}"), data, left=lambda: client.hits)


@case("clients")
def own_client_that_picks_by_the_item() -> Case:
    """Four connections, of which an item uses one that others use, too."""
    client = user_web.Modulo(user_web.start_server())
    return Case(client.get, range(N))


@case("clients")
def own_client_with_numbered_connections() -> Case:
    """The results have the number of the request on its connection, of which there are three."""
    client = user_web.Turns(user_web.start_server(), 3)
    return Case(lambda item: client.get(f"/numbered/{item}"), range(N))


@case("clients", effect=False)
def own_client_with_a_queue() -> Case:
    """Four connections in a queue."""
    client = user_web.Turns(user_web.start_server(), 4)
    return Case(lambda item: client.get(f"/page/{item}"), range(N))


@case("clients", effect=False)
def own_client_with_a_list() -> Case:
    """A list behind a lock."""
    client = user_web.Pool(user_web.start_server())
    return Case(lambda item: client.get(f"/page/{item}"), range(N))


@case("clients")
def own_client_by_thread() -> Case:
    """The loop leaves one connection, of one thread."""
    client = user_web.ByThread(user_web.start_server())
    work = functools.partial(lambda client, item: client.get(f"/page/{item}"), client)
    return Case(work, range(N), left=lambda: len(client.links))


@case("clients")
def own_client_with_one_connection() -> Case:
    """One connection behind a lock: the results number the requests."""
    client = user_web.Single(user_web.start_server())
    return Case(lambda item: client.get(f"/numbered/{item}"), range(N))


@case("clients")
def own_client_without_a_lock() -> Case:
    """One connection in a list, used where it stands."""
    client = user_web.Unlocked(user_web.start_server())
    return Case(lambda item: client.get(f"/page/{item}"), range(N))


@case("clients")
def own_client_closed_in_some_items() -> Case:
    """Every twelfth item closes what is free; the loop leaves one connection."""
    client = user_web.Pool(user_web.start_server())
    closed: list[int] = []

    def work(item: int) -> str:
        text = client.get(f"/page/{item}")
        if item % 12 == 11:
            with client.lock:
                closed.append(len(client.free))
                while client.free:
                    client.free.pop().close()
        return text

    return Case(work, range(N), left=lambda: (closed, len(client.free)))


@case("clients")
def own_client_that_tells_the_size_of_its_pool() -> Case:
    """The results have how many connections are free after the call."""
    client = user_web.Pool(user_web.start_server())

    def work(item: int) -> tuple[str, int]:
        return client.get(f"/page/{item}"), len(client.free)

    return Case(work, range(N))


@case("clients")
def own_pool_with_counters_on_connections() -> Case:
    """The client counts the uses of a connection on the connection itself."""
    client = user_web.Pool(user_web.start_server())

    def work(item: int) -> tuple[str, int]:
        link: Any = client.take()
        link.uses = getattr(link, "uses", 0) + 1
        text, uses = user_web.ask(link, f"/page/{item}"), link.uses
        client.give(link)
        return text, uses

    return Case(work, range(N))


_LOCK = threading.Lock()
_LINK: http.client.HTTPConnection | None = None


def _global_get(item: int) -> str:
    assert _LINK is not None
    with _LOCK:
        return user_web.ask(_LINK, f"/numbered/{item}")


@case("clients")
def connection_in_a_global_behind_a_lock() -> Case:
    """One connection of the module; the results number the requests."""
    global _LINK
    _LINK = user_web.connect(user_web.start_server())
    return Case(_global_get, range(N))


@case("clients")
def own_client_of_an_installed_library() -> Case:
    """The library keeps the request's number in a global beside its pool."""
    folder = Path(tempfile.mkdtemp(), "lib", "site-packages")
    folder.mkdir(parents=True)
    code = Path(user_web.__file__).read_text(encoding="utf-8")
    code += "\nsent = 0\ndef fetch(client, item):\n    global sent\n    sent += 1\n"
    code += "    number = sent\n    return f'{client.get(f\"/page/{item}\")} #{number}'\n"
    (folder / "tinyhttp.py").write_text(code, encoding="utf-8")
    sys.path.insert(0, str(folder))
    library = importlib.import_module("tinyhttp")
    client = library.Pool(library.start_server())
    return Case(lambda item: library.fetch(client, item), range(N), left=lambda: library.sent)


@case("clients")
def own_client_that_replaces_itself() -> Case:
    """The module's client is replaced when an answer is odd; the loop leaves the number of clients."""
    port = user_web.start_server()
    held: dict[str, Any] = {"client": user_web.Pool(port), "made": 1}

    def work(item: int) -> str:
        text: str = held["client"].get(f"/page/{item}")
        if item % 17 == 16:
            held["client"] = user_web.Pool(port)
            held["made"] += 1
        return f"{text} by {held['made']}"

    return Case(work, range(N), left=lambda: held["made"])


@case("clients")
def proxy_of_xml_rpc() -> Case:
    """A ServerProxy has one connection, and is no client for threads."""
    proxy = xmlrpc.client.ServerProxy(user_web.start())
    return Case(lambda item: proxy.echo(item), range(N))


class _Lines:
    """Sockets of a line protocol in a list behind a lock; the server numbers lines by connection."""

    def __init__(self, port: int) -> None:
        self.port, self.lock = port, threading.Lock()
        self.free: list[socket.socket] = []

    def get(self, item: int) -> str:
        """The answer to a line."""
        with self.lock:
            known = bool(self.free)
            link = self.free.pop() if known else socket.create_connection(("127.0.0.1", self.port))
        link.sendall(f"item {item}\n".encode())
        text = link.recv(1000).decode()
        with self.lock:
            self.free.append(link)
        return text


@case("clients")
def pool_of_sockets_of_another_protocol() -> Case:
    """The results number the lines of a connection that the loop alone uses."""
    client = _Lines(user_client.start_server())

    def work(item: int) -> str:
        user_web.threading.Event().wait(0.003)
        return client.get(item)

    return Case(work, range(N))


@case("clients")
def transaction_of_two_requests() -> Case:
    """An item writes a value of the server and reads it again."""
    client = user_web.Pool(user_web.start_server())

    def work(item: int) -> str:
        link = client.take()
        link.request("PUT", "/value/a/0", body=f"item {item}")
        link.getresponse().read()
        text = user_web.ask(link, "/value/a/0")
        client.give(link)
        return text

    return Case(work, range(N))


@case("clients")
def own_client_that_logs_on_its_lock_holder() -> Case:
    """The path last asked for stands in a field of the pool's own, written before the call."""
    client = user_web.Pool(user_web.start_server())
    client.state = {"path": ""}  # type: ignore[attr-defined]

    def work(item: int) -> str:
        client.state["path"] = f"/page/{item}"  # type: ignore[attr-defined]
        return client.get(client.state["path"])  # type: ignore[attr-defined]

    return Case(work, range(N), left=lambda: client.state)  # type: ignore[attr-defined]


@case("clients")
def own_pool_whose_list_is_left_in_order() -> Case:
    """Three connections that the client takes in turn from the front; each has a name in the answer."""
    client = user_web.Pool(user_web.start_server())
    for name in "abc":
        link: Any = user_web.connect(client.port)
        link.name = name
        client.free.append(link)

    def work(item: int) -> str:
        with client.lock:
            link: Any = client.free.pop(0)
        text = user_web.ask(link, f"/page/{item}")
        client.give(link)
        return f"{text} by {link.name}"

    return Case(work, range(N), left=lambda: [link.name for link in client.free])  # type: ignore[attr-defined]
