"""Pools of connections: of real clients, of the users' own, and what only looks like one."""

from __future__ import annotations

import http.client
import queue
import socket
import sys
import threading
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests

from amorsize import inspection
from amorsize.inspection.pooled import is_connection, is_pool, kept_connections
from amorsize.inspection.watch import Verdict, Watch
from tests.support.web import Client, asking, serving


def second(func: Any) -> Verdict:
    """What the second item changes: the first one opens the connection."""
    func(1)
    watch = Watch(func, 2)
    result = func(2)
    return watch.verdict([result])


KEPT = {"requests": 10, "urllib3": 32, "httpx": 20}
"""Connections that each keeps: by default, and as the support module asks for."""


@pytest.mark.parametrize("name", KEPT)
def test_connections_of_a_client_are_no_effect(name: str) -> None:
    with serving() as server, asking(name, server) as ask:
        verdict = second(ask)
    assert verdict.changed == ()
    assert verdict.pooled and not any(own for own, _ in verdict.pooled.values())
    kept = {count for _, count in verdict.pooled.values()} - {0}
    assert kept == {KEPT[name]}


def test_what_else_a_session_keeps_is_one() -> None:
    with serving() as server, ExitStack() as stack:
        session, url = stack.enter_context(requests.Session()), server.url

        def ask(item: int) -> str:
            session.headers["X-Item"] = str(item)
            return session.get(f"{url}/{item}").text

        verdict = second(ask)
    assert any("headers" in name for name in verdict.changed)


@pytest.mark.parametrize("name", ["requests", "httpx"])
def test_cookies_are_one(name: str) -> None:
    with serving(cookies=True) as server, asking(name, server) as ask:
        verdict = second(ask)
    assert any("cookies" in one for one in verdict.changed)


class Counting(Client):
    def get(self, item: int) -> str:
        with self.lock:
            self.asked = item
        return super().get(item)

    asked = 0


class Hub(Client):
    """Connections that are not taken out: items side by side would read each other's answers."""

    def get(self, item: int) -> str:
        with self.lock:
            while len(self.free) < 2:
                self.free.append(http.client.HTTPConnection("127.0.0.1", self.port))
        link = self.free[item % 2]
        link.request("GET", f"/{item}")
        return link.getresponse().read().decode()


class Queued(Client):
    """Connections that wait in a queue, which has a lock of its own."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.waiting: queue.Queue[http.client.HTTPConnection] = queue.Queue()
        for _ in range(4):
            self.free.append(http.client.HTTPConnection("127.0.0.1", port))
            self.waiting.put(self.free[-1])

    def get(self, item: int) -> str:
        link = self.waiting.get()
        try:
            link.request("GET", f"/{item}")
            return link.getresponse().read().decode()
        finally:
            self.waiting.put(link)


class Marking(Client):
    """Counts the calls of each connection, on the connection."""

    def get(self, item: int) -> str:
        text = super().get(item)
        link: Any = self.free[-1]
        link.calls = getattr(link, "calls", 0) + 1
        return text


def test_what_the_users_code_sets_on_a_connection_is_an_effect() -> None:
    with serving() as server, closing(Marking(server.server_port)) as client:
        verdict = second(lambda item: client.get(item))
    assert "`client.free[0].calls`" in verdict.changed


def test_a_pool_of_pools_keeps_what_the_smallest_of_them_keeps() -> None:
    with serving() as server, ExitStack() as stack:
        session, url = stack.enter_context(requests.Session()), server.url
        pools = session.adapters["http://"].poolmanager.pools  # type: ignore[attr-defined]
        assert kept_connections(pools) == 0
        session.get(f"{url}/1")
        assert kept_connections(pools) == 10


@pytest.mark.parametrize("kind", [Client, Queued, Counting, Hub])
def test_a_client_of_the_users(kind: type[Client]) -> None:
    with serving() as server, closing(kind(server.server_port)) as client:

        def ask(item: int) -> str:
            return client.get(item)

        verdict = second(ask)
        safety = inspection.inspect_function(ask, [1, 2])
    assert any(own for own, _ in verdict.pooled.values())
    assert any("asked" in name for name in verdict.changed) == (kind is Counting)
    if kind in (Client, Queued):
        assert safety.pool and safety.caller_only is None and safety.no_processes
    else:
        assert safety.caller_only


def test_a_connection_of_its_own_is_no_pool() -> None:
    with serving() as server:
        lock, link = threading.Lock(), http.client.HTTPConnection("127.0.0.1", server.server_port)

        def ask(item: int) -> str:
            with lock:
                link.request("GET", f"/{item}")
                return link.getresponse().read().decode()

        assert second(ask).changed
        link.close()


LIBRARY = '''
import http.client, threading

class Talk:
    """One connection, behind a lock, that remembers what was said: as a socket to a chat."""

    def __init__(self, port):
        self.lock, self.said = threading.Lock(), []
        self.link = http.client.HTTPConnection("127.0.0.1", port)

    def get(self, item):
        with self.lock:
            self.link.request("GET", f"/{item}")
            return self.link.getresponse().read().decode()

class Logged(Talk):
    """A pool, which keeps a list beside it."""

    def __init__(self, port):
        super().__init__(port)
        self.links = [self.link]

    def get(self, item):
        self.said.append(item)
        return super().get(item)
'''


@pytest.mark.parametrize("name", ["Talk", "Logged"])
def test_of_a_library_only_what_holds_connections_counts(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "talking_library.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "talking_library", raising=False)
    import talking_library  # type: ignore[import-not-found]

    with serving() as server:
        client = getattr(talking_library, name)(server.server_port)
        verdict = second(lambda item: client.get(item))
        client.link.close()
    monkeypatch.delitem(sys.modules, "talking_library")
    assert any("said" in one or "link" in one for one in verdict.changed)


def test_no_code_of_an_object_runs() -> None:
    class Odd:
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(name)

        def __iter__(self) -> Any:
            raise AssertionError

    odd = Odd()
    object.__setattr__(odd, "lock", threading.Lock())
    object.__setattr__(odd, "links", [odd])
    assert not is_connection(odd) and not is_connection(odd, 0)
    link = http.client.HTTPConnection("127.0.0.1", 1)
    object.__setattr__(odd, "links", [link])
    assert is_connection(link) and is_pool(odd)


class Fixed(Client):
    """Two connections, of which a third call at once finds none."""

    def get(self, item: int) -> str:
        with self.lock:
            link = self.free.pop()
        try:
            link.request("GET", f"/{item}")
            return link.getresponse().read().decode()
        finally:
            with self.lock:
                self.free.append(link)


class Bounded(Fixed):
    """A semaphore lets in as many as there are connections."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.room = threading.Semaphore(2)

    def get(self, item: int) -> str:
        with self.room:
            return super().get(item)


@pytest.mark.parametrize("kind", [Fixed, Bounded])
def test_a_pool_that_may_be_empty_is_for_the_loop(kind: type[Client]) -> None:
    with serving() as server, closing(kind(server.server_port)) as client:
        client.free += [http.client.HTTPConnection("127.0.0.1", server.server_port) for _ in "ab"]
        safety = inspection.inspect_function(lambda item: client.get(item), [1, 2])
    assert ("empty" in (safety.caller_only or "")) == (kind is Fixed)


def test_a_pool_of_sockets_is_for_the_loop() -> None:
    ends = socket.socketpair()
    lock, free = threading.Lock(), [ends[0]]

    def ask(item: int) -> bytes:
        with lock:
            link = free.pop() if free else socket.create_connection(("127.0.0.1", 1))
        link.sendall(b"x")
        with lock:
            free.append(link)
        return link.recv(1)

    try:
        assert "socket" in (inspection.inspect_function(ask, [1, 2]).caller_only or "")
    finally:
        for end in ends:
            end.close()


def test_a_header_that_is_set_back_is_a_change() -> None:
    with httpx.Client(headers={"X-Item": "none"}) as client:

        def sets(item: int) -> str:
            client.headers["X-Item"] = str(item)
            return client.headers["X-Item"]

        def sets_back(item: int) -> None:
            before = client.headers["X-Item"]
            client.headers["X-Item"] = str(item)
            client.headers["X-Item"] = before

        assert inspection.inspect_function(sets, [1, 2]).caller_only is None  # it is watched
        assert "set back" in (inspection.inspect_function(sets_back, [1, 2]).caller_only or "")
