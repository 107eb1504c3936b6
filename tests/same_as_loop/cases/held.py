"""Open sockets and other things of the system that objects hold in their attributes."""

from __future__ import annotations

import fcntl
import functools
import http.client
import http.server
import multiprocessing
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import user_client
from case import Case, case, compute, nap, release


@case("held")
def socket_of_a_client_elsewhere() -> Case:
    """The results are answers over one connection, numbered by the server; the client waits."""
    connection = user_client.Connection(user_client.start_server())

    def work(item: int) -> str:
        nap()
        return connection.ask(f"item {item}")

    return Case(work, range(150), left=lambda: connection.ask("end"))


@case("held")
def socket_two_attributes_down() -> Case:
    """The results are answers over a connection that hides in a dict of an attribute."""
    session = user_client.Session(user_client.start_server())

    def work(item: int) -> str:
        compute()
        return session.get(item)

    return Case(work, range(150), left=lambda: session.get(0))


@case("held")
def socket_of_another_module() -> Case:
    """The results are answers over a connection that another module keeps for itself."""
    user_client.connect(user_client.start_server())

    def work(item: int) -> str:
        compute()
        return user_client.get(item)

    return Case(work, range(150), left=lambda: user_client.get(0))


@case("held")
def method_of_a_client_as_function() -> Case:
    """The results are answers over a connection: the function is a method of the client."""
    session = user_client.Session(user_client.start_server())
    return Case(session.get, range(500), left=lambda: session.get(0))


@case("held")
def client_of_a_server_in_a_thread() -> Case:
    """The results are answers of a server that runs in a thread of the same process."""
    connection = user_client.Connection(user_client.start_thread())

    def work(item: int) -> str:
        release(item)
        return connection.ask(f"item {item}")

    return Case(work, range(150), left=lambda: connection.ask("end"))


@case("held")
def client_in_a_partial() -> Case:
    """The results are answers by a client that a partial passes to a plain function."""

    def fetch(client: user_client.Session, item: int) -> str:
        nap()
        return client.get(item)

    session = user_client.Session(user_client.start_server())
    return Case(functools.partial(fetch, session), range(150), left=lambda: session.get(0))


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self) -> None:
        self.seen = getattr(self, "seen", 0) + 1
        body = f"{self.path} #{self.seen}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Say nothing."""


class _Api:
    def __init__(self, port: int) -> None:
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def page(self, item: int) -> str:
        self.http.request("GET", f"/page/{item}")
        return self.http.getresponse().read().decode()


@case("held")
def http_connection_kept_alive() -> Case:
    """The results are pages over one connection that is kept alive, numbered by the server."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    api = _Api(server.server_address[1])

    def work(item: int) -> str:
        nap()
        return api.page(item)

    return Case(work, range(120), left=lambda: api.page(-1))


class _Worker:
    """Asks a child process over its pipes."""

    def __init__(self) -> None:
        code = "import sys\nfor n, line in enumerate(sys.stdin): print(n, line.strip(), flush=True)"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, item: int) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"item {item}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


@case("held")
def pipes_of_a_child() -> Case:
    """The results are answers of a child process, numbered over all items."""
    worker = _Worker()

    def work(item: int) -> str:
        compute()
        return worker.ask(item)

    return Case(work, range(150), left=lambda: worker.ask(-1))


@case("held")
def connection_of_multiprocessing() -> Case:
    """The results are sums that a thread sends back over a pipe of multiprocessing."""
    here, there = multiprocessing.Pipe()

    def add_up() -> None:
        total = 0
        while True:
            total += there.recv()
            there.send(total)

    threading.Thread(target=add_up, daemon=True).start()

    class Adder:
        def __init__(self, link: Any) -> None:
            self._link = link

        def add(self, item: int) -> int:
            self._link.send(item)
            return self._link.recv()

    adder = Adder(here)

    def work(item: int) -> int:
        nap()
        return adder.add(item)

    return Case(work, range(150), left=lambda: adder.add(0))


@case("held")
def value_in_shared_memory() -> Case:
    """The results count up a value of multiprocessing, which only forks can share."""
    counter = multiprocessing.Value("i", 0)

    def work(item: int) -> int:
        compute()
        with counter.get_lock():
            counter.value += 1
            return counter.value

    return Case(work, range(150), left=lambda: counter.value)


class _Latch:
    """A lock file that is held as long as the object lives."""

    def __init__(self) -> None:
        self._file = Path(tempfile.mkdtemp(), "lock").open("w")  # noqa: SIM115
        self.uses = 0

    def take(self) -> int:
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        self.uses += 1
        self._file.write(f"{self.uses}\n")
        self._file.flush()
        return self.uses


@case("held")
def file_behind_a_lock() -> Case:
    """The loop leaves a line for each use in a file that a latch holds and locks."""
    latch = _Latch()

    def work(item: int) -> int:
        compute()
        return latch.take()

    return Case(work, range(150), left=lambda: Path(latch._file.name).read_text())


@case("held")
def poller_with_its_descriptors() -> Case:
    """The results are how many descriptors of a poller are ready, as items make them."""
    left_end, right_end = socket.socketpair()
    right_end.setblocking(False)
    poller = select.poll()
    poller.register(right_end, select.POLLIN)

    def work(item: int) -> int:
        compute()
        if item % 2 == 0:
            left_end.send(b"x")
        ready = len(poller.poll(0))
        if item % 4 == 3:
            right_end.recv(10)
        return ready

    return Case(work, range(150))


@case("held")
def datagrams_in_order() -> Case:
    """The results are the datagrams that wait in a socket, in their order."""
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.setblocking(False)
    for number in range(10):
        sender.send(f"number {number}".encode())
    hub = {"in": receiver, "out": sender}

    def work(item: int) -> str:
        nap()
        text = hub["in"].recv(100).decode()
        hub["out"].send(f"number {item + 10}".encode())
        return text

    return Case(work, range(150))


@case("held")
def terminal_of_the_caller() -> Case:
    """The loop leaves what items have written in the buffer of a terminal."""
    master, slave = os.openpty()
    writer = os.fdopen(slave, "w", buffering=1)

    class Screen:
        def __init__(self) -> None:
            self.out = writer

        def show(self, text: str) -> None:
            self.out.write(text)
            self.out.flush()

    screen = Screen()

    def work(item: int) -> int:
        compute()
        screen.show(f"{item % 100:02}")
        return item

    def left() -> bytes:
        read = b""
        while len(read) < 300 and select.select([master], [], [], 0.5)[0]:
            read += os.read(master, 300)
        return read

    return Case(work, range(150), left=left)
