"""One connection to a PostgreSQL server on which nothing lasts longer than its deadline.

The server's own limits (``statement_timeout``) do not help against a server that is stopped, or a
network that swallows packets, and libpq's ``connect_timeout`` counts whole seconds. So the socket is
waited for here, with libpq's own non-blocking calls as psycopg hands them out, and whatever has not
come when the deadline is over has failed.
"""

from __future__ import annotations

import os
import select
import time

from psycopg import pq

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Value = bytes | str | int | float | None
    Rows = list[tuple[bytes | None, ...]]

LOST = ("08", "57P01", "57P02", "57P03", "25006")
"""SQLSTATE of a connection that is gone or of no use: another may do, at once or soon. 25006 is a server
that only reads: after a failover the old primary."""
_READABLE, _WRITABLE = 1, 2
_READING, _WRITING = pq.PollingStatus.READING, pq.PollingStatus.WRITING
_GOOD = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)


class ServerError(Exception):
    """What the server, or the way to it, had to say; ``code`` is the SQLSTATE, "" for the way."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code

    @property
    def is_lost(self) -> bool:
        """Whether another connection may do."""
        return not self.code or self.code.startswith(LOST)


class TooSlow(ServerError):
    """The deadline is over."""


class PgConnection:
    """A connection; ``deadline`` (of ``time.monotonic``) bounds every wait and is set by each call.

    ``parts`` are libpq's words, ``settings`` further ``options`` for the server."""

    def __init__(self, parts: dict[str, str], deadline: float, settings: str) -> None:
        self._deadline = deadline
        self.pid = os.getpid()
        error: ServerError = ServerError("no address of the server is known")
        places = _places(parts, deadline)
        for number, place in enumerate(places):
            now = time.monotonic()
            end = now + (deadline - now) / (len(places) - number)
            try:
                self._connection = _connect({**parts, **place}, end, settings)
                return
            except ServerError as found:
                error = found
        raise error

    def be_done_by(self, deadline: float) -> None:
        """The deadline of the next call, of ``time.monotonic``."""
        self._deadline = deadline

    def run(self, statement: str, values: Sequence[Value] = ()) -> Rows:
        """The rows of a statement, each value as the bytes that PostgreSQL sends in binary form."""
        return self.run_all([(statement, values)])[0]

    def run_all(self, statements: Sequence[tuple[str, Sequence[Value]]]) -> list[Rows]:
        """The rows of each statement: all are sent at once, and outside of a transaction they are one
        of their own, done when this returns."""
        connection = self._connection
        try:
            connection.enter_pipeline_mode()
            for statement, values in statements:
                connection.send_query_params(
                    statement.encode(),
                    [_sent(value) for value in values],
                    param_formats=[_format(value) for value in values],
                    result_format=pq.Format.BINARY,
                )
            connection.pipeline_sync()
            while connection.flush():
                if self._wait(True) & _READABLE:
                    connection.consume_input()
            answers, errors = [], []
            for _ in range(len(statements) + 1):  # the last is the end of the pipeline
                rows, error = self._answer()
                answers.append(rows)
                if error is not None:
                    errors.append(error)
            connection.exit_pipeline_mode()
        except ServerError:
            raise
        except Exception as error:  # one of psycopg's: the connection is gone
            raise ServerError(_first_line(str(error))) from None
        if errors:
            raise errors[0]
        return answers[:-1]

    def _answer(self) -> tuple[Rows, ServerError | None]:
        """The rows of the next statement in the pipeline, or of its end, or what was wrong with it."""
        connection = self._connection
        failure = None
        rows: Rows = []
        while True:
            while connection.is_busy():
                self._wait(False)
                connection.consume_input()
            result = connection.get_result()
            if result is None or result.status == pq.ExecStatus.PIPELINE_SYNC:
                return rows, failure
            if result.status == pq.ExecStatus.PIPELINE_ABORTED:
                continue  # a statement before it has failed
            if result.status not in _GOOD:
                code = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
                text = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY)
                text = text or result.error_message or b""
                failure = ServerError(_first_line(text.decode(errors="replace")), code)
                continue
            get, width = result.get_value, range(result.nfields)
            rows = [tuple([get(row, place) for place in width]) for row in range(result.ntuples)]

    def _wait(self, writing: bool) -> int:
        return _wait(self._connection.socket, writing, self._deadline)

    def close(self) -> None:
        """Say goodbye; a connection of the parent is only dropped."""
        if self.pid == os.getpid():
            self._connection.finish()


def _connect(parts: dict[str, str], deadline: float, settings: str) -> pq.abc.PGconn:
    options = f"{parts.get('options', '')} {settings}"
    words = {"application_name": "amorsize", **parts, "options": options}
    words.update(client_encoding="UTF8", connect_timeout="0")
    text = " ".join([f"{name}='{_quoted(value)}'" for name, value in words.items()])
    connection = pq.PGconn.connect_start(text.encode())
    try:
        status: int = _WRITING
        while True:
            if connection.status == pq.ConnStatus.BAD:
                status = pq.PollingStatus.FAILED
            else:
                if status in (_READING, _WRITING):
                    _wait(connection.socket, status == _WRITING, deadline, only=True)
                status = connection.connect_poll()
            if status == pq.PollingStatus.OK:
                connection.nonblocking = 1
                return connection
            if status == pq.PollingStatus.FAILED:
                raise _refusal(connection)
    except BaseException:
        connection.finish()
        raise


def _refusal(connection: pq.abc.PGconn) -> ServerError:
    """Why there is no connection. libpq tells no SQLSTATE here, so words must do: what waiting does not
    help gets a code, the rest may be tried again."""
    text = _first_line(connection.error_message.decode(errors="replace"))
    for word in ("password", "authentication", "does not exist", "no pg_hba.conf entry"):
        if word in text and "No such file" not in text:
            return ServerError(text, "28000")
    return ServerError(text)


def _sent(value: Value) -> bytes | None:
    return value if isinstance(value, bytes) or value is None else str(value).encode()


def _format(value: Value) -> pq.Format:
    return pq.Format.BINARY if isinstance(value, bytes) else pq.Format.TEXT


def _quoted(value: str) -> str:
    return str(value).replace("\\", "\\\\").replace("'", "\\'")


def _wait(descriptor: int, writing: bool, deadline: float, *, only: bool = False) -> int:
    """Until the socket can be read or, if asked, written (``only``: not read): which, as a sum."""
    left = max(0.0, deadline - time.monotonic())
    seen = _seen(descriptor, not (writing and only), writing, left)
    if not seen:
        raise TooSlow("the server did not answer in time")
    return seen


def _seen(descriptor: int, reading: bool, writing: bool, seconds: float) -> int:
    """What of it the socket can do, as a sum; 0 after so many seconds."""
    if not hasattr(select, "poll"):  # Windows
        ready = select.select(
            [descriptor] if reading else [], [descriptor] if writing else [], [descriptor], seconds
        )
        return (_READABLE if ready[0] or ready[2] else 0) | (_WRITABLE if ready[1] else 0)
    events = (select.POLLIN if reading else 0) | (select.POLLOUT if writing else 0)
    poll = select.poll()
    poll.register(descriptor, events)
    found = poll.poll(1000.0 * seconds)
    if not found:
        return 0
    seen = found[0][1]
    return (_READABLE if seen & ~select.POLLOUT else 0) | (
        _WRITABLE if seen & select.POLLOUT else 0
    )


def _places(parts: dict[str, str], deadline: float) -> list[dict[str, str]]:
    """Where the server may be, one address each: libpq itself would wait for names without a limit."""
    hosts = (parts.get("host") or os.environ.get("PGHOST") or "").split(",")
    ports = (parts.get("port") or os.environ.get("PGPORT") or "").split(",")
    addresses = parts.get("hostaddr", "").split(",")
    found: list[dict[str, str]] = []
    error: ServerError | None = None
    for number in range(max(len(hosts), len(addresses))):
        host = hosts[number] if number < len(hosts) else ""
        address = addresses[number] if number < len(addresses) else ""
        port = ports[number] if 1 < len(ports) > number else ports[0]
        place = {"host": host} if host else {}
        if port:
            place["port"] = port
        if "@" in host:
            raise ServerError(
                "signs of a password in a URL must be written as %40 and so on", "28000"
            )
        if address or not host or host.startswith(("/", "@")):
            found.append({**place, "hostaddr": address} if address else place)
            continue
        try:
            known = _resolved(host, deadline)
        except ServerError as unknown:
            error = unknown
            continue
        found.extend({**place, "hostaddr": one} for one in known)
    if not found and error is not None:
        raise error
    if len(hosts) > 1 and "target_session_attrs" not in parts:
        found = [{**place, "target_session_attrs": "read-write"} for place in found]
    return found


def _resolved(host: str, deadline: float) -> list[str]:
    """The addresses of a host."""
    import socket

    def ask(flags: int) -> list[str]:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
        return list(dict.fromkeys([str(answer[4][0]) for answer in answers]))

    try:
        return ask(socket.AI_NUMERICHOST)
    except OSError:
        pass
    return _in_time(lambda: ask(0), host, deadline)


def _in_time(ask: Callable[[], list[str]], host: str, deadline: float) -> list[str]:
    """The answer of a call that cannot be interrupted, in a thread that is left behind if it is late."""
    from threading import Thread

    answers: list[list[str]] = []

    def work() -> None:
        try:
            answers.append(ask())
        except OSError:
            answers.append([])

    thread = Thread(target=work, daemon=True, name="amorsize-resolve")
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    if not answers:
        raise TooSlow(f"the name {host} was not resolved in time")
    if not answers[0]:
        raise ServerError(f"the name {host} is not known")
    return answers[0]


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0].strip()[:300] if lines else "the connection failed"
