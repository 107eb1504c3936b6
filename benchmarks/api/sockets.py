"""Servers that refuse, on real loopback sockets: the share of what they allow, and calls wasted.

``python -m benchmarks.api.sockets [--held-out] [--minute] [--again] [--client coroutine|thread]
[--only "cap of 8" ...]``. Each server is one of :mod:`benchmarks.api.virtual` in a process of its own;
the ideal is that of a client that is told everything, in virtual time. Every third scenario is kept aside
(``--held-out``); ``--minute`` are two with a quota of a real minute. ``--again`` runs each twice with a
history, and tells the second. :mod:`benchmarks.api.peers`
has other libraries beside it. Run it on a quiet machine: each takes 3 to 12 s.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import amorsize
from benchmarks.api.virtual import Given, Server, ideal_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "127.0.0.1"
SCENARIOS: dict[str, Given] = {
    "cap of 8": Given(median=0.05, cap=8, items=800),
    "cap of 40": Given(median=0.1, cap=40, items=2000),
    "cap of 25, lognormal": Given(median=0.08, sigma=0.5, cap=25, items=1300),
    "cap of 120": Given(median=0.2, cap=120, items=3000),
    "cap of 30 that queues": Given(median=0.1, cap=30, queues=True, items=1500),
    "bucket 100/s": Given(median=0.1, rate=100.0, burst=50.0, items=600),
    "bucket 100/s, float hint": Given(median=0.1, rate=100.0, burst=50.0, hint="float", items=600),
    "bucket 60/s, whole seconds": Given(
        median=0.1, rate=60.0, burst=60.0, hint="seconds", items=500
    ),
    "bucket 250/s": Given(median=0.05, rate=250.0, burst=25.0, hint="float", items=1600),
    "bucket 20/s, no burst": Given(median=0.1, rate=20.0, burst=1.0, items=160),
    "quota 200 in 2 s": Given(median=0.05, quota=200, window=2.0, hint="float", items=1000),
    "quota 90 in 2 s, no hint": Given(median=0.05, quota=90, window=2.0, items=450),
    "tokens": Given(median=0.1, token_rate=50_000.0, token_burst=25_000.0, hint="float", items=700),
    "tokens, no hint": Given(median=0.1, token_rate=30_000.0, token_burst=15_000.0, items=450),
    "outage": Given(median=0.1, cap=40, outages=((2.0, 1.5),), items=2000),
    "outage, no cap": Given(median=0.1, outages=((1.0, 2.0),), most=60, items=2500),
    "halved and restored": Given(median=0.1, cap=50, changes=((2.0, 0.5), (5.0, 1.0)), items=3000),
    "rate halved and restored": Given(
        median=0.05, rate=120.0, burst=30.0, changes=((3.0, 0.5), (6.0, 1.0)), items=900
    ),
    "knee at 20": Given(median=0.1, knee=20, items=1200),
    "knee at 60": Given(median=0.15, sigma=0.3, knee=60, items=2400),
    "cap and bucket": Given(median=0.1, cap=20, rate=80.0, burst=40.0, hint="float", items=500),
    "lognormal, no limit": Given(median=0.1, sigma=0.6, most=64, items=3000),
}
MINUTE: dict[str, Given] = {
    "quota 300 a minute": Given(median=0.1, quota=300, window=60.0, hint="seconds", items=700),
    "quota 600 a minute, float": Given(
        median=0.2, quota=600, window=60.0, hint="float", items=1300
    ),
}
FEW_CALLS, WASTE_SHARE = 20, 0.05


class Refused(Exception):
    """As clients have it."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        super().__init__(status)
        self.status_code, self.headers = status, headers


class _Http(asyncio.Protocol):
    """HTTP/1.1 with keep-alive: ``GET /item/7``, ``GET /stats``."""

    server: Server
    served: Counter[int]
    began: float | None = None
    waiting: list[tuple[int, Any]]

    def connection_made(self, transport: Any) -> None:
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head, self.buffer = self.buffer[:end], self.buffer[end + 4 :]
            self._asked(head.split(b" ", 2)[1].decode())

    def _asked(self, path: str) -> None:
        cls, server, loop = type(self), type(self).server, asyncio.get_running_loop()
        if path == "/stats":
            twice = sum(times > 1 for times in cls.served.values())
            self._answer(
                200, json.dumps({"calls": server.calls, "n": len(cls.served), "twice": twice})
            )
            return
        item, now = int(path.rpartition("/")[2]), time.monotonic()
        if cls.began is None:
            cls.began = now
        refusal = server.admit(now - cls.began, item)
        if refusal is None:
            self._serve(item)
            return
        hint = refusal.after_seconds
        text = "" if hint is None else f"Retry-After: {hint:.4g}\r\n"
        loop.call_later(server.given.refusal_seconds, self._answer, refusal.status, "{}", text)

    def _serve(self, item: int) -> None:
        cls, server = type(self), type(self).server
        assert cls.began is not None
        if server.busy >= server.cap(time.monotonic() - cls.began):
            cls.waiting.append((item, self))
            return
        server.busy += 1
        seconds = server.service_seconds(item)
        asyncio.get_running_loop().call_later(seconds, self._end, item)

    def _end(self, item: int) -> None:
        cls = type(self)
        cls.server.busy -= 1
        cls.served[item] += 1
        self._answer(200, str(item))
        if cls.waiting:
            waiting, link = cls.waiting.pop(0)
            link._serve(waiting)

    def _answer(self, status: int, body: str, more: str = "") -> None:
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{more}\r\n"
        self.transport.write((head + body).encode())


async def serve(given: Given) -> None:
    """Serve until the input ends."""
    _Http.server, _Http.served, _Http.waiting = Server(given), Counter(), []
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    listening = await loop.create_server(_Http, HOST, 0, backlog=4096)
    print(listening.sockets[0].getsockname()[1], flush=True)
    loop.add_reader(sys.stdin, stop.set)
    await stop.wait()


class Client:
    """Kept connections: ``await ask(item)``, or ``get(item)`` in threads."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.free: list[Any] = []
        self.local = threading.local()

    async def ask(self, item: int) -> int:
        """One call of a coroutine."""
        link = self.free.pop() if self.free else await asyncio.open_connection(HOST, self.port)
        reader, writer = link
        writer.write(f"GET /item/{item} HTTP/1.1\r\n\r\n".encode())
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        body = await reader.readexactly(int(headers["Content-Length"]))
        self.free.append(link)
        status = int(lines[0].split(" ")[1])
        if status != 200:
            raise Refused(status, headers)
        return int(body)

    def get(self, item: int) -> int:
        """One call of a thread."""
        link = getattr(self.local, "link", None)
        if link is None:
            link = self.local.link = http.client.HTTPConnection(HOST, self.port, timeout=60)
        link.request("GET", f"/item/{item}")
        answer = link.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise Refused(answer.status, dict(answer.getheaders()))
        return int(body)


def by_amorsize(client: Client, given: Given, kind: str, history: str | None = None) -> list[Any]:
    """The call that users write."""
    options: dict[str, Any] = {"n_jobs": given.most if given.most < 4096 else None}
    if kind == "thread":
        options["backend"] = "threads"
    func: Any = client.ask if kind == "coroutine" else client.get
    return list(amorsize.execute(func, range(given.items), retries=5, history=history, **options))


def again(given: Given, kind: str) -> tuple[float, int, int, int]:
    """As :func:`measured`, of a second run whose function is known from a first one."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "history.sqlite")

        def known(client: Client, given: Given, kind: str) -> list[Any]:
            return by_amorsize(client, given, kind, path)

        measured(given, known, kind)
        return measured(given, known, kind)


def measured(
    given: Given, way: Callable[[Client, Given, str], list[Any]], kind: str
) -> tuple[float, int, int, int]:
    """Share of the ideal throughput, calls wasted, items lost, items served twice."""
    command = [sys.executable, "-m", "benchmarks.api.sockets", "--serve", json.dumps(asdict(given))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        client = Client(int(server.stdout.readline()))
        began = time.perf_counter()
        found = way(client, given, kind)
        seconds = time.perf_counter() - began
        link = http.client.HTTPConnection(HOST, client.port)
        link.request("GET", "/stats")
        stats = json.loads(link.getresponse().read())
        link.close()
        server.kill()
    lost = sum(one != item for item, one in enumerate(found))
    return ideal_seconds(given) / seconds, stats["calls"] - stats["n"], lost, stats["twice"]


def main() -> None:
    """Print a line for each scenario, and the shares of them that hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve")
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--minute", action="store_true")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--client", choices=["coroutine", "thread"], default="coroutine")
    asked = parser.parse_args()
    if asked.serve:
        asyncio.run(serve(Given(**json.loads(asked.serve))))
        return
    names = [name for n, name in enumerate(SCENARIOS) if (n % 3 == 2) == asked.held_out]
    chosen = MINUTE if asked.minute else {name: SCENARIOS[name] for name in asked.only or names}
    shares, held = [], 0
    for name, given in chosen.items():
        share, wasted, lost, twice = (
            again(given, asked.client)
            if asked.again
            else measured(given, by_amorsize, asked.client)
        )
        shares.append(share)
        bound = FEW_CALLS + WASTE_SHARE * given.items
        held += wasted <= bound and not lost and not twice
        told = f"{share:5.0%}, wasted {wasted} (bound {bound:.0f}), lost {lost}, twice {twice}"
        print(f"{asked.client} {name}: {told}", flush=True)
    good = [sum(share >= least for share in shares) for least in (0.95, 0.9, 0.8)]
    print(
        f"{held} within all bounds; 95 %: {good[0]}, 90 %: {good[1]}, 80 %: {good[2]} of {len(shares)}"
    )


if __name__ == "__main__":
    main()
