"""Refusals of servers: exceptions as clients shape them, and hints in every form, sensible or not."""

from __future__ import annotations

import io
import urllib.error
from datetime import UTC, datetime
from email.message import Message
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from amorsize.core.refusal import Refusal
from amorsize.errors import RetryAfter
from amorsize.items.refusals import headers_of, is_bad_request, refusal_of, seconds_told

NOW = 1_790_000_000.0


class Shaped(Exception):
    """An exception with any attributes."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__("refused")
        self.__dict__.update(attributes)


def httpx_like(status: int, headers: dict[str, str] | None = None, **more: Any) -> Shaped:
    return Shaped(response=SimpleNamespace(status_code=status, headers=headers or {}), **more)


def boto_like(code: str, status: int) -> Shaped:
    headers = {"retry-after": "3"}
    about = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    return Shaped(response={"Error": {"Code": code}, "ResponseMetadata": about})


def urllib_like(status: int) -> urllib.error.HTTPError:
    headers = Message()
    headers["Retry-After"] = "4"
    return urllib.error.HTTPError("http://x", status, "no", headers, io.BytesIO())


class Grpc(Exception):
    """gRPC tells its code by a method."""

    def __init__(self, name: str) -> None:
        self.name = name

    def code(self) -> Any:
        return SimpleNamespace(name=self.name)

    def details(self) -> str:
        return ""


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (httpx_like(429, {"Retry-After": "7"}), Refusal(429, 7.0)),
        (httpx_like(503), Refusal(503)),
        (httpx_like(529), Refusal(529)),
        (httpx_like(500), None),
        (httpx_like(404), None),
        (Shaped(status=429, headers={"RETRY-AFTER": b"2"}), Refusal(429, 2.0)),
        (Shaped(status_code=429), Refusal(429)),
        (Shaped(code=429), Refusal(429)),
        (Shaped(retry_after=1.5), Refusal(429, 1.5)),
        (Shaped(retry_after=True), None),
        (urllib_like(429), Refusal(429, 4.0)),
        (urllib_like(400), None),
        (boto_like("ThrottlingException", 400), Refusal(429, 3.0)),
        (boto_like("ValidationException", 400), None),
        (Grpc("RESOURCE_EXHAUSTED"), Refusal(429)),
        (Grpc("NOT_FOUND"), None),
        (RetryAfter(12.5), Refusal(429, 12.5)),
        (RetryAfter(), Refusal(429)),
        (ConnectionRefusedError(), Refusal(503, unreached=True)),
        (ConnectionResetError(), None),
        (httpx_like(429, {"x-should-retry": "false"}), None),
        (httpx_like(429, code="insufficient_quota"), None),
        (httpx_like(429, body={"error": {"type": "insufficient_quota"}}), None),
        (Shaped(response=None, status="429"), None),
        (ValueError(429), None),
    ],
)
def test_what_is_a_refusal(error: Exception, found: Refusal | None) -> None:
    assert refusal_of(error, NOW) == found


def test_a_cause_tells_it_too_and_a_circle_ends() -> None:
    outer, inner = ValueError("wrapped"), httpx_like(429, {"retry-after": "1"})
    outer.__cause__ = inner
    assert refusal_of(outer, NOW) == Refusal(429, 1.0)
    inner.__dict__.clear()
    inner.__cause__ = outer
    assert refusal_of(outer, NOW) is None


def test_what_raises_when_it_is_asked_is_none() -> None:
    class Odd(Exception):
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    assert refusal_of(Odd(), NOW) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": formatdate(NOW + 30, usegmt=True)}, 30.0),
        ({"retry-after": formatdate(NOW - 30, usegmt=True)}, None),
        ({"retry-after": "Wed, 21 Oct"}, None),
        ({"retry-after": "1m30s"}, 90.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW + 60))}, 60.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(1000 * (NOW + 60)))}, 60.0),
        ({"x-ratelimit-remaining": "5", "x-ratelimit-reset": "60"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "120ms"}, 0.12),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, 360.0),
        ({"ratelimit": "limit=10, remaining=0, reset=5"}, 5.0),
        ({"ratelimit": '"default";r=0;t=30'}, 30.0),
        ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "12"}, 12.0),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": datetime.fromtimestamp(
                    NOW + 9, UTC
                ).isoformat(),
            },
            9.0,
        ),
        ({}, None),
    ],
)
def test_hints(headers: dict[str, str], seconds: float | None) -> None:
    found = seconds_told(headers, NOW)
    assert found == (None if seconds is None else pytest.approx(seconds, abs=1e-3))


def test_a_date_counts_from_the_servers_own_clock() -> None:
    """Ours is an hour late: what counts is the distance of its two dates."""
    server = NOW + 3600.0
    headers = {
        "date": formatdate(server, usegmt=True),
        "retry-after": formatdate(server + 7, usegmt=True),
    }
    assert seconds_told(headers, NOW) == pytest.approx(7.0)


@given(st.floats(0.001, 1e6))
def test_seconds_are_read_as_they_are_written(seconds: float) -> None:
    assert seconds_told({"retry-after": f"{seconds:.6f}"}, NOW) == pytest.approx(seconds, abs=1e-6)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(1, 59))
def test_durations_are_sums(hours: int, minutes: int, seconds: int) -> None:
    text = f"{hours}h{minutes}m{seconds}s"
    assert seconds_told({"retry-after": text}, NOW) == 3600 * hours + 60 * minutes + seconds


NAMES = st.sampled_from(
    [
        "Retry-After",
        "retry-after-ms",
        "x-ratelimit-remaining",
        "X-RateLimit-Reset",
        "ratelimit",
        "date",
    ]
)
VALUES = st.one_of(
    st.text(st.characters(max_codepoint=2000), max_size=20),
    st.binary(max_size=20),
    st.floats(),
    st.integers(),
    st.none(),
    st.sampled_from(
        ["-1", "nan", "inf", "1e309", "0", "9" * 400, "١٢", "1_000", "0x10", "+5", "1,5"]
    ),
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(NAMES, VALUES, max_size=4))
@example({"Retry-After": "9" * 400})
@example({"Retry-After": "٣"})
def test_hostile_values_are_no_hint_or_a_sensible_one(headers: dict[str, Any]) -> None:
    found = refusal_of(httpx_like(429, headers), NOW)
    assert found is not None
    assert found.status == 429
    hint = found.after_seconds
    assert hint is None or 0.0 < hint <= 366 * 86400


@pytest.mark.parametrize(
    "value", ["-1", "nan", "inf", "1e309", "0", "9" * 400, "١٢", "1_000", "0x10"]
)
def test_nonsense_is_no_hint(value: str) -> None:
    assert seconds_told({"retry-after": value}, NOW) is None


@given(
    st.one_of(
        st.none(), st.integers(), st.text(), st.lists(st.integers()), st.lists(st.tuples(st.text()))
    )
)
def test_what_are_no_headers_are_none(headers: Any) -> None:
    assert headers_of(headers) == {}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 422, 429, 500, 503])
def test_a_bad_request_is_one_that_the_same_again_does_not_mend(status: int) -> None:
    bad = status in (400, 404, 422)
    wrapped = ValueError("wrapped")
    wrapped.__cause__ = httpx_like(status)
    with urllib_like(status) as answered:  # Python 3.14 warns of one that is not closed
        for error in (httpx_like(status), boto_like("x", status), answered, wrapped):
            assert is_bad_request(error) is bad
    assert not is_bad_request(ValueError(400))
