"""An HTTP server in a child process, and clients as an application writes them."""

from __future__ import annotations

import http.client
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

SERVER = """
import threading, time, itertools
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
lock, state, numbers = threading.Lock(), {}, itertools.count(1)
class Handler(BaseHTTPRequestHandler):
    protocol_version, wbufsize, seen = "HTTP/1.1", -1, 0
    def answer(self):
        self.seen += 1
        size = int(self.headers.get("Content-Length") or 0)
        sent = self.rfile.read(size).decode()
        words = self.path.strip("/").split("/")
        last = int(words[-1]) if words[-1].isdigit() else 0
        time.sleep(0.002 + 0.004 * (last % 3 == 1))
        status, more, body = 200, {}, words[-1]
        if words[0] == "cookie":
            more["Set-Cookie"] = f"seen={last}; Path=/"
        if words[0] == "fail" and last % 7 == 3:
            status = 500
        if words[0] == "numbered":
            body = f"{last} #{self.seen}"
        if words[0] == "token":
            body = f"token-{next(numbers)}"
        if words[0] == "login":
            status = 200 if self.headers.get("Authorization") else 401
        if words[0] == "close":
            more["Connection"] = "close"
        if words[0] == "echo":
            kept = ("X-", "Authorization", "Cookie")
            body += "".join(f"|{k}={v}" for k, v in self.headers.items() if k.startswith(kept))
        if words[0] == "value":
            with lock:
                if self.command != "GET":
                    state[words[1]] = sent
                body = state.get(words[1], "")
        if words[0] == "RPC2":
            body = (
                "<?xml version='1.0'?><methodResponse><params><param><value><string>"
                f"{sent.partition('<int>')[2].partition('</int>')[0]}"
                "</string></value></param></params></methodResponse>"
            )
            more["Content-Type"] = "text/xml"
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        for key, value in more.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data)
    do_GET = do_PUT = do_POST = answer
    def log_message(self, *said):
        pass
class Server(ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 512
server = Server(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""
"""Answers with the last word of the path; what else it does, the first word says."""

_servers: list[subprocess.Popen[bytes]] = []


def start_server() -> int:
    """Start the server as a process; its port. It is ended with the session of the caller."""
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE)
    assert process.stdout is not None
    _servers.append(process)
    return int(process.stdout.readline())


def start() -> str:
    """Start the server; the beginning of its addresses."""
    return f"http://127.0.0.1:{start_server()}"


def ask(link: http.client.HTTPConnection, path: str) -> str:
    """One request over a connection of the standard library."""
    link.request("GET", path)
    return link.getresponse().read().decode()


def connect(port: int) -> http.client.HTTPConnection:
    """A connection, not opened yet."""
    return http.client.HTTPConnection("127.0.0.1", port, timeout=10)


class Pool:
    """A list of connections behind a lock; subclasses add what they keep."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.lock = threading.Lock()
        self.free: list[http.client.HTTPConnection] = []

    def take(self) -> http.client.HTTPConnection:
        """A free connection, or a new one."""
        with self.lock:
            return self.free.pop() if self.free else connect(self.port)

    def give(self, link: http.client.HTTPConnection) -> None:
        """Keep a connection for the next call."""
        with self.lock:
            self.free.append(link)

    def get(self, path: str) -> str:
        """The answer of the server."""
        link = self.take()
        try:
            return ask(link, path)
        finally:
            self.give(link)


class Counting(Pool):
    """Numbers the requests."""

    count = 0

    def get(self, path: str) -> str:
        """The answer and the number of the request."""
        with self.lock:
            self.count += 1
            number = self.count
        return f"{super().get(path)} #{number}"


class Remembering(Pool):
    """Has the last answer as an attribute."""

    last: str | None = None

    def get(self, path: str) -> str:
        """The answer, and the one before it."""
        before = self.last
        self.last = super().get(path)
        return f"{self.last} after {before}"


class RoundRobin(Pool):
    """Takes its servers in turn."""

    def __init__(self, ports: list[int]) -> None:
        super().__init__(ports[0])
        self.names = ["a", "b", "c"]
        self.index = 0

    def get(self, path: str) -> str:
        """The answer, and of which server."""
        name = self.names[self.index % 3]
        self.index += 1
        return f"{super().get(path)} of {name}"


class Token(Pool):
    """Gets a new token after so many uses."""

    def __init__(self, port: int, uses: int) -> None:
        super().__init__(port)
        self.uses, self.left, self.token = uses, 0, ""

    def get(self, path: str) -> str:
        """The answer with the token that was used."""
        if self.left == 0:
            self.token = super().get("/token/x")
            self.left = self.uses
        self.left -= 1
        return f"{super().get(path)} by {self.token}"


class Breaker(Pool):
    """Stops asking for a while after three failures."""

    failures = 0
    open_for = 0

    def get(self, path: str) -> str:
        """The answer, or that it was not asked."""
        if self.open_for:
            self.open_for -= 1
            return "not asked"
        text = super().get(path)
        if int(text) % 5 < 2:
            self.failures += 1
            if self.failures == 3:
                self.failures, self.open_for = 0, 4
        return text


class Logged(Pool):
    """Logs each answer in the list of its own that stands beside the connections."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.log: list[str] = []

    def get(self, path: str) -> str:
        """The answer."""
        text = super().get(path)
        with self.lock:
            self.log.append(text)
        return text


class Modulo:
    """Has four connections and picks one by the item, without taking it."""

    def __init__(self, port: int) -> None:
        self.lock = threading.Lock()
        self.links = [connect(port) for _ in range(4)]

    def get(self, item: int) -> str:
        """The answer, numbered on its connection."""
        with self.lock:
            link = self.links[item % 4]
        return ask(link, f"/numbered/{item}")


class Turns:
    """Connections in a queue whose answers are numbered, so that it shows which was taken."""

    def __init__(self, port: int, number: int) -> None:
        self.links: queue.Queue[http.client.HTTPConnection] = queue.Queue()
        for _ in range(number):
            self.links.put(connect(port))

    def get(self, path: str) -> str:
        """The answer."""
        link = self.links.get()
        try:
            return ask(link, path)
        finally:
            self.links.put(link)


class ByThread:
    """A connection for each thread, in a dict."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.links: dict[int, http.client.HTTPConnection] = {}

    def get(self, path: str) -> str:
        """The answer."""
        link = self.links.setdefault(threading.get_ident(), connect(self.port))
        return ask(link, path)


class Single:
    """One connection behind a lock."""

    def __init__(self, port: int) -> None:
        self.lock = threading.Lock()
        self.link = connect(port)

    def get(self, path: str) -> str:
        """The answer."""
        with self.lock:
            return ask(self.link, path)


class Unlocked:
    """A list of connections without a lock, of which the last is used and stays there."""

    def __init__(self, port: int) -> None:
        self.links = [connect(port)]

    def get(self, path: str) -> str:
        """The answer."""
        return ask(self.links[-1], path)


class Cached(Pool):
    """Keeps answers by their path, the newest eight of them."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.cache: dict[str, str] = {}
        self.hits = 0

    def get(self, path: str) -> str:
        """The answer and whether it was known."""
        if path in self.cache:
            self.hits += 1
            return self.cache[path] + " known"
        text = self.cache[path] = super().get(path)
        if len(self.cache) > 8:
            self.cache.pop(next(iter(self.cache)))
        return text


def pages(client: Any, url: str, item: int) -> Iterator[str]:
    """The pages of an item, asked for one by one."""
    for page in range(3):
        yield client.get(f"{url}/page/{item}/{page}").text
