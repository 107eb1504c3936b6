"""A PostgreSQL server of Linux for tests of another system on the same machine, which lacks one.

::

    here    lend() listens on the loopback, its port in AMORSIZE_LENDER
    there   BorrowedServer() connects to that port  --> a server of its own begins
            a line of JSON: what to do with it      --> a line of JSON: what came of it
            the connection ends                     --> the server is removed

So a server ends with the tests that asked for it, even if they are killed.
"""

from __future__ import annotations

import json
import os
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from support.postgresql import Server

LENDER = "AMORSIZE_LENDER"
ASKED = ("start", "stop", "pids", "freeze", "thaw")
ANSWER_SECONDS = 200


class _Lender(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server = Server()
        try:
            server.start()
            self._tell(server.port)
            for line in self.rfile:
                name, words = json.loads(line)
                assert name in ASKED
                try:
                    self._tell(getattr(server, name)(*words))
                except Exception as error:
                    self._tell({"error": repr(error)})
        except OSError:
            pass  # who asked has gone
        finally:
            server.remove()

    def _tell(self, value: Any) -> None:
        self.wfile.write(json.dumps(value).encode() + b"\n")


class _Listener(socketserver.ThreadingTCPServer):
    block_on_close = True
    """Servers are removed before the end."""


@contextmanager
def lend() -> Iterator[None]:
    """A lender whose port the programs that are begun now find in ``LENDER``, as long as this lasts."""
    with _Listener(("127.0.0.1", 0), _Lender) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        os.environ[LENDER] = str(listener.server_address[1])
        try:
            yield
        finally:
            del os.environ[LENDER]
            listener.shutdown()


class BorrowedServer(Server):
    """As ``Server``, which Linux runs for this process."""

    def __init__(self) -> None:
        self._line = socket.create_connection(
            ("127.0.0.1", int(os.environ[LENDER])), timeout=ANSWER_SECONDS
        )
        self._answers = self._line.makefile("rb")
        self.port = json.loads(self._answers.readline())

    def _ask(self, name: str, *words: object) -> Any:
        self._line.sendall(json.dumps([name, words]).encode() + b"\n")
        found = json.loads(self._answers.readline())
        assert not isinstance(found, dict), found["error"]
        return found

    def start(self) -> None:
        self._ask("start")

    def stop(self, mode: str = "fast") -> None:
        self._ask("stop", mode)

    def pids(self) -> list[int]:
        return list(self._ask("pids"))

    def freeze(self) -> list[int]:
        return list(self._ask("freeze"))

    def thaw(self, frozen: list[int]) -> None:
        self._ask("thaw", frozen)

    def remove(self) -> None:
        self._answers.close()
        self._line.close()


def new_server() -> Server:
    """One that runs: this system's own, or a borrowed one."""
    if LENDER in os.environ:
        return BorrowedServer()
    server = Server()
    try:
        server.start()
    except BaseException:
        server.remove()
        raise
    return server
