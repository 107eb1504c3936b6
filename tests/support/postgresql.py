"""A real PostgreSQL server for tests: on a free port of the loopback, in a folder of its own."""

from __future__ import annotations

import glob
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from amorsize.core.frozen import replace
from amorsize.testing.history_contract import observation

USER, PASSWORD = "learner", "s3cret/p@ss?w"
NOBODY = 65_534
"""PostgreSQL refuses to serve root: there it runs as this user."""
UNDERTAKER = """
exec 3<&0
{
    cat
    read -r pid < "$0/data/postmaster.pid" && kill -QUIT "$pid" && sleep 1
    rm -rf "$0"
} <&3 >/dev/null 2>&1 &
"""
"""Waits in the background until its standard input ends, then ends the server and removes its folder."""


def program(name: str) -> str | None:
    """Where one of PostgreSQL's programs is, in PATH or where Debian keeps them; the newest."""
    found = shutil.which(name)
    places = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    return found or (places[-1] if places else None)


def can_serve() -> bool:
    """Whether there is a server for tests: this system's own, or one that is lent (`lent_server`)."""
    return "AMORSIZE_LENDER" in os.environ or program("pg_ctl") is not None


class Server:
    """Started by :meth:`start`, as often as you like; the data stay until :meth:`remove`."""

    def __init__(self, settings: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="amorsize-pg-"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        if os.geteuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
        # The writing end is closed by remove, or by the system when this process has been killed.
        read, self._alive = os.pipe()
        subprocess.run(
            ["sh", "-c", UNDERTAKER, self.folder], stdin=read, check=True, start_new_session=True
        )
        os.close(read)
        secret = self.folder / "secret"
        secret.write_text(PASSWORD + "\n")
        secret.chmod(0o644)
        self._call(
            "initdb", "-D", str(self.data), "-U", USER, "--auth=scram-sha-256",
            f"--pwfile={secret}", "-E", "UTF8", "--locale=C", "--no-sync",
        )  # fmt: skip
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
            file.write(
                f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nfsync = off\n"
                f"unix_socket_directories = ''\nshared_buffers = 16MB\n{settings}\n"
            )

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, schema: str = "", database: str = "postgres", **more: str) -> str:
        from urllib.parse import quote

        if schema:
            more["options"] = f"-c search_path={schema}"
        words = "&".join(f"{name}={quote(value)}" for name, value in more.items())
        secret = quote(PASSWORD, safe="")
        return f"postgresql://{USER}:{secret}@127.0.0.1:{self.port}/{database}?{words}"

    def start(self) -> None:
        self._call(
            "pg_ctl",
            "-D",
            str(self.data),
            "-w",
            "-t",
            "30",
            "-l",
            str(self.folder / "log"),
            "start",
        )

    def stop(self, mode: str = "fast") -> None:
        self._call("pg_ctl", "-D", str(self.data), "-w", "-t", "30", "-m", mode, "stop")

    def pids(self) -> list[int]:
        """The server's process and its children."""
        first = int((self.data / "postmaster.pid").read_text().split()[0])
        text = Path(f"/proc/{first}/task/{first}/children").read_text()
        return [first, *map(int, text.split())]

    def freeze(self) -> list[int]:
        """Stop all of its processes in the middle of what they do; who."""
        frozen = self.pids()
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        return frozen

    def thaw(self, frozen: list[int]) -> None:
        for pid in frozen:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        import psycopg

        with psycopg.connect(self.url(database=database), autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def remove(self) -> None:
        if (self.data / "postmaster.pid").exists():
            try:
                self.stop("immediate")
            except subprocess.CalledProcessError:
                time.sleep(0.1)
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._alive)

    def _call(self, name: str, *words: str) -> None:
        path = program(name)
        assert path is not None
        more = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        with open(self.folder / f"{name}.out", "wb") as output:
            subprocess.run(
                [path, *words], check=True, timeout=150, cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, **more,
            )  # fmt: skip


_schemas: dict[Path, str] = {}


def schema_of(server: Server, folder: Path) -> str:
    """A schema of the database for each folder."""
    if folder not in _schemas:
        _schemas[folder] = f"s{len(_schemas)}"
        server.execute(f"CREATE SCHEMA {_schemas[folder]}")
    return _schemas[folder]


def numbered(number: int) -> object:
    return replace(observation(number), id=f"{number:032x}")
