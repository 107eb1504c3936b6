"""Real clients that all items share: the loop, amorsize, and a ThreadPoolExecutor with as many threads.

``python -m benchmarks.api.clients [--items 100] [--only requests ...]``. The clients that are installed
(requests, httpx, urllib3, boto3, openai, anthropic) ask a server on loopback that answers after 50 ms and
counts how many calls it has at once. Each contender has a client and an interpreter of its own. An answer
that belongs to another item ends the program.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.harness.measure import ROOT

SECONDS = 0.05
CLIENTS = ("requests", "httpx", "urllib3", "boto3", "openai", "anthropic")
WAYS = ("loop", "amorsize", "pool")


class Server:
    """Answers in the shape that the path asks for."""

    def __init__(self) -> None:
        self.busy = self.most = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lengths = [
                    int(line.split(":")[1])
                    for line in head.lower().splitlines()
                    if line.startswith("content-length:")
                ]
                body = await reader.readexactly(lengths[0]) if lengths else b""
                path = head.split()[1]
                self.busy += 1
                self.most = max(self.most, self.busy)
                await asyncio.sleep(SECONDS)
                self.busy -= 1
                given = self.text(path, body)
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n%s" % (len(given), given)
                )
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def text(self, path: str, body: bytes) -> bytes:
        if path == "/most":
            return str(self.most).encode()
        if "chat/completions" in path or path.endswith("messages"):
            said = json.loads(body)["messages"][0]["content"]
            message = {"role": "assistant", "content": said}
            chat = {"index": 0, "finish_reason": "stop", "message": message}
            about = {"id": "x", "model": "m", "stop_sequence": None, "stop_reason": "end_turn"}
            if "chat" in path:
                shape = {"object": "chat.completion", "created": 1, "choices": [chat]}
            else:
                usage = {"input_tokens": 1, "output_tokens": 1}
                text = [{"type": "text", "text": said}]
                shape = {"type": "message", "role": "assistant", "content": text, "usage": usage}
            return json.dumps(about | shape).encode()
        return path.rpartition("/")[2].encode()


async def serve() -> None:
    server = await asyncio.start_server(Server().answer, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await asyncio.to_thread(sys.stdin.read)


def asking(client: str, url: str) -> Callable[[int], str]:
    """A function that asks through one client."""
    one: Any = importlib.import_module(client)
    if client == "requests":
        session = one.Session()
        return lambda item: str(session.get(f"{url}/{item}").text)
    if client == "httpx":
        shared = one.Client()
        return lambda item: str(shared.get(f"{url}/{item}").text)
    if client == "urllib3":
        manager = one.PoolManager(maxsize=64)
        return lambda item: str(manager.request("GET", f"{url}/{item}").data.decode())
    if client == "boto3":
        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "x"}
        store = one.client("s3", endpoint_url=url, **keys)
        return lambda item: str(store.get_object(Bucket="b", Key=str(item))["Body"].read().decode())
    said: Callable[[int], list[dict[str, str]]] = lambda item: [  # noqa: E731
        {"role": "user", "content": str(item)}
    ]
    if client == "openai":
        api = one.OpenAI(api_key="k", base_url=url, max_retries=0)
        chat = api.chat.completions
        return lambda item: str(
            chat.create(model="m", messages=said(item)).choices[0].message.content
        )
    api = one.Anthropic(api_key="k", base_url=url, max_retries=0)
    return lambda item: str(
        api.messages.create(model="m", max_tokens=9, messages=said(item)).content[0].text
    )


def run(client: str, way: str, items: int, threads: int) -> None:
    """One contender: prints seconds, and calls that the server had at once."""
    command = [sys.executable, "-m", "benchmarks.api.clients", "--serve"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None and server.stdin is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        ask = asking(client, url)
        import amorsize

        began = time.perf_counter()
        if way == "loop":
            found = [ask(item) for item in range(items)]
        elif way == "amorsize":
            found = amorsize.execute(ask, range(items), history=None)
        else:
            with ThreadPoolExecutor(threads) as pool:
                found = list(pool.map(ask, range(items)))
        took = time.perf_counter() - began
        from urllib.request import urlopen

        with urlopen(f"{url}/most") as answer:
            most = int(answer.read())
        server.stdin.close()
    if found != [str(item) for item in range(items)]:
        raise SystemExit(f"{client}, {way}: an answer belongs to another item")
    print(took, most)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100)
    parser.add_argument("--only", nargs="+", choices=CLIENTS, default=CLIENTS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
        return
    if options.run:
        client, way, threads = options.run
        run(client, way, options.items, int(threads))
        return
    print(f"{options.items} calls of {SECONDS * 1e3:.0f} ms; seconds (most calls at once)")
    for client in options.only:
        if importlib.util.find_spec(client) is None:
            print(f"{client:10} is not installed")
            continue
        told, threads = [], "0"
        for way in WAYS:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.api.clients", "--items", str(options.items),
                 "--run", client, way, threads],
                cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
            if done.returncode:
                raise SystemExit(done.stderr[-2000:])
            seconds, threads = done.stdout.split()
            told.append(f"{way} {float(seconds):.2f} ({threads})")
        print(f"{client:10} {'; '.join(told)}", flush=True)


if __name__ == "__main__":
    main()
