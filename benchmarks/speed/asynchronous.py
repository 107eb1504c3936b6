"""Coroutine functions against a server on loopback: the limit that is found, and the best fixed one.

    python -m benchmarks.speed.asynchronous knee        2,000 requests, 250 ms each, up to 200 side
    by side
    python -m benchmarks.speed.asynchronous collapse    the same server, which slows down beyond 50

The server runs in a process of its own. Beyond its knee requests wait for their turn; in ``collapse``
each of n requests takes (n / knee) squared times as long. Every limit is tried in turns, ours without
being told anything.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import time

import amorsize

REQUESTS, LATENCY_SECONDS = 2000, 0.25
KNEE, COLLAPSE_KNEE = 200, 50
FIXED = (25, 50, 100, 150, 200, 250, 300, 400, 800)


async def serve(collapses: bool) -> None:
    """Answer each line after a while; tells its port first, and on "peak" the most it had inside."""
    turns = asyncio.Semaphore(10_000 if collapses else KNEE)
    inside = peak = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal inside, peak
        try:
            while line := await reader.readline():
                if line == b"peak\n":
                    writer.write(b"%d\n" % peak)
                    peak = 0
                    continue
                inside += 1
                peak = max(peak, inside)
                async with turns:
                    left = LATENCY_SECONDS
                    while left > 0:
                        slower = max(1.0, inside / COLLAPSE_KNEE) ** 2 if collapses else 1.0
                        step = min(left, LATENCY_SECONDS / 5)
                        await asyncio.sleep(step * slower)
                        left -= step
                inside -= 1
                writer.write(b"done\n")
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def ask(port: int, line: bytes) -> bytes:
    """One request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(line)
        return await reader.readline()
    finally:
        writer.close()


def run(port: int, limit: int | None) -> float:
    """Seconds of all requests; a fixed limit is a plain semaphore."""

    async def request(_: int) -> bytes:
        return await ask(port, b"work\n")

    async def fixed(most: int) -> None:
        turns = asyncio.Semaphore(most)

        async def one(item: int) -> bytes:
            async with turns:
                return await request(item)

        await asyncio.gather(*(one(item) for item in range(REQUESTS)))

    began = time.perf_counter()
    if limit is None:
        found = amorsize.execute(request, range(REQUESTS))
        assert found == [b"done\n"] * REQUESTS
    else:
        asyncio.run(fixed(limit))
    return time.perf_counter() - began


def main() -> None:
    """Compare our limit with the fixed ones."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("server", choices=["knee", "collapse", "serve-knee", "serve-collapse"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limits", type=int, nargs="*", default=list(FIXED))
    given = parser.parse_args()
    if given.server.startswith("serve-"):
        asyncio.run(serve(given.server == "serve-collapse"))
        return
    command = [sys.executable, "-m", "benchmarks.speed.asynchronous", f"serve-{given.server}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            found: dict[int | None, list[float]] = {limit: [] for limit in (None, *given.limits)}
            peaks = []
            for _ in range(given.rounds):
                for limit, seconds in found.items():
                    seconds.append(run(port, limit))
                    peak = int(asyncio.run(ask(port, b"peak\n")))
                    if limit is None:
                        peaks.append(peak)
        finally:
            server.terminate()
    medians = {limit: statistics.median(seconds) for limit, seconds in found.items()}
    ours = medians.pop(None)
    best = min(medians, key=lambda limit: medians[limit])
    print(", ".join(f"{limit}: {seconds:.2f} s" for limit, seconds in medians.items()))
    print(f"found by itself: {ours:.2f} s, at most {max(peaks)} side by side; best fixed limit {best}: "
          f"{medians[best]:.2f} s: {ours / medians[best]:.2f} times")  # fmt: skip


if __name__ == "__main__":
    main()
