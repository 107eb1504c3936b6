"""An HTTP server on loopback: ``GET /MILLISECONDS/...`` is answered so much later.

python -m benchmarks.workloads.server        prints its address and serves until its standard input ends
"""

from __future__ import annotations

import asyncio
import sys

BODY = b"the answer\n" * 100


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        milliseconds = int(head.split(b" ", 2)[1].split(b"/")[1])
        if milliseconds:
            await asyncio.sleep(milliseconds / 1000)
        writer.write(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(BODY)
        )
        writer.write(BODY)
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass  # the client was ended by its time limit
    finally:
        writer.close()


async def serve() -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0, backlog=512)
    host, port = server.sockets[0].getsockname()[:2]
    print(f"{host}:{port}", flush=True)
    async with server:
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
