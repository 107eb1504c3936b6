"""An HTTP server on loopback that answers each request after a fixed delay; a process of its own.

Run as ``python slow_server.py DIRECTORY SECONDS``: it prints its port, serves the files below the
directory, and ends when its standard input is closed, that is, with whoever started it.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from urllib.parse import unquote

BACKLOG = 1024
"""Connections that may wait to be accepted: more than any client here opens at once."""


async def answer(
    root: Path, delay_seconds: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer one request and close the connection."""
    try:
        request = await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(delay_seconds)
        path = (root / unquote(request.split(b" ", 2)[1].decode()).lstrip("/")).resolve()
        if path.is_relative_to(root) and path.is_file():
            status, body = "200 OK", path.read_bytes()
        else:
            status, body = "404 Not Found", b""
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass  # the client went away
    finally:
        writer.close()


async def serve(root: Path, delay_seconds: float) -> None:
    """Serve until standard input ends."""
    server = await asyncio.start_server(
        lambda reader, writer: answer(root, delay_seconds, reader, writer),
        "127.0.0.1",
        0,
        backlog=BACKLOG,
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)  # no loop of Windows can wait for a pipe
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]).resolve(), float(sys.argv[2])))
