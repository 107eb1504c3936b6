"""An HTTP server on loopback that answers with the item and counts, and clients that items share."""

from __future__ import annotations

import http.client
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import requests
import urllib3

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


class Server(ThreadingHTTPServer):
    """Answers GET /anything/ITEM with ITEM after ``seconds``; keeps connections open."""

    request_queue_size = 512
    daemon_threads = True

    def __init__(self, seconds: float, *, cookies: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seconds, self.cookies = seconds, cookies
        self.busy = self.most = self.connections = 0
        self.served: list[str] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_GET(self) -> None:
        server, item = self.server, self.path.rpartition("/")[2]
        with server.lock:
            server.busy += 1
            server.most = max(server.most, server.busy)
        time.sleep(server.seconds)
        with server.lock:
            server.busy -= 1
            server.served.append(item)
        self.send_response(200)
        self.send_header("Content-Length", str(len(item)))
        if server.cookies:
            self.send_header("Set-Cookie", f"seen={item}")
        self.end_headers()
        self.wfile.write(item.encode())

    def log_message(self, *said: object) -> None:
        """Nothing is printed."""


@contextmanager
def serving(seconds: float = 0.0, *, cookies: bool = False) -> Iterator[Server]:
    """A server for a while."""
    server = Server(seconds, cookies=cookies)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class Client:
    """A list of connections behind a lock."""

    def __init__(self, port: int) -> None:
        self.port, self.lock = port, threading.Lock()
        self.free: list[http.client.HTTPConnection] = []

    def get(self, item: int) -> str:
        with self.lock:
            known = bool(self.free)
            link = self.free.pop() if known else http.client.HTTPConnection("127.0.0.1", self.port)
        link.request("GET", f"/{item}")
        text = link.getresponse().read().decode()
        with self.lock:
            self.free.append(link)
        return text

    def close(self) -> None:
        for link in self.free:
            link.close()


@contextmanager
def asking(name: str, server: Server) -> Iterator[Any]:
    """A function that asks the server through one shared client."""
    func, close = _asking(name, server)
    try:
        yield func
    finally:
        close()


def _asking(name: str, server: Server) -> tuple[Any, Callable[[], object]]:
    url = server.url
    if name == "requests":
        session = requests.Session()
        return (lambda item: session.get(f"{url}/{item}").text), session.close
    if name == "urllib3":
        pool = urllib3.PoolManager(maxsize=32)
        return (lambda item: pool.request("GET", f"{url}/{item}").data.decode()), pool.clear
    if name == "httpx":
        client = httpx.Client()
        return (lambda item: client.get(f"{url}/{item}").text), client.close
    own = Client(server.server_port)
    return (lambda item: own.get(item)), own.close
