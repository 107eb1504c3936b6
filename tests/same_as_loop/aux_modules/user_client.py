"""A client of a line server, as a user's project has it: the socket hides in attributes."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from typing import Any

SERVER = """
import socket, threading
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
def serve(connection):
    count = 0
    with connection, connection.makefile("rb") as lines:
        for line in lines:
            count += 1
            try:
                connection.sendall(line.strip() + b" #%d\\n" % count)
            except OSError:
                return
while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
"""
"""Answers each line with itself and the number of the line on this connection."""


def start_server() -> int:
    """Start a server as a process; its port. It is ended with the session of the caller."""
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE)
    assert process.stdout is not None
    _servers.append(process)
    return int(process.stdout.readline())


def start_thread() -> int:
    """Start a server as a thread of this process; its port."""
    space: dict[str, Any] = {}
    told = threading.Event()

    def tell(port: int, flush: bool) -> None:
        space["port"] = port
        told.set()

    space["print"] = tell
    threading.Thread(target=exec, args=(SERVER, space), daemon=True).start()
    assert told.wait(10)
    return int(space["port"])


_servers: list[subprocess.Popen[bytes]] = []


class Connection:
    """One connection, used line by line."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._lines = self._socket.makefile("rb")

    def ask(self, text: str) -> str:
        """The server's answer to a line."""
        self._socket.sendall(text.encode() + b"\n")
        return self._lines.readline().decode().strip()

    def close(self) -> None:
        """Give the socket back."""
        self._lines.close()
        self._socket.close()


class Session:
    """What an application holds: a connection, two attributes down."""

    def __init__(self, port: int) -> None:
        self.transport = {"main": Connection(port)}

    def get(self, item: int) -> str:
        """The answer for an item."""
        return self.transport["main"].ask(f"get {item}")


_default: Session | None = None


def connect(port: int) -> None:
    """Open the session of this module."""
    global _default
    _default = Session(port)


def get(item: int) -> str:
    """The answer for an item by the session of this module."""
    assert _default is not None
    return _default.get(item)
