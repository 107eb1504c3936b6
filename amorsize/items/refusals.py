"""What a server says when it says no: recognised by shape, importing no client. Pure; time is an
argument.

::

    exception --along __cause__--> status, headers --> Refusal(status, seconds to wait) or None

Clients differ: ``error.response.status_code`` (httpx, requests, openai, anthropic), ``error.status``
(aiohttp), ``error.code`` (urllib), a dictionary (botocore), ``error.code()`` (gRPC). A value that makes
no sense is no hint: headers come from outside.
"""

from __future__ import annotations

import re
from math import isfinite

from amorsize.core.refusal import Refusal
from amorsize.errors import RetryAfter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

REFUSING = frozenset({429, 503, 529})
"""HTTP: too many requests, service unavailable, and "overloaded" as several APIs say it."""
THROTTLING = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
"""Codes by which services of AWS refuse, as their clients' documentation lists them."""
REFUSING_NAMES = ("ratelimit", "toomanyrequests", "throttl")
"""Parts of a class's name, in small letters without underscores, that say so without any number."""
ANSWERING_NAMES = (
    "refus", "http", "status", "api", "response", "server", "overload", "unavailable", "busy"
)  # fmt: skip
"""Parts of a class's name that make its first argument, where that is one of REFUSING, a status: without
one of them the number could be the item's."""
BAD_REQUESTS = frozenset({400, 404, 405, 406, 410, 413, 414, 415, 422})
"""HTTP: what was asked for is at fault, and the same again gets the same answer. Not 401 and 403: they
depend on who asks."""
LINKS = 8
"""Causes of one another that are looked at: a chain may be a circle."""
MOST_HEADERS, MOST_VALUE = 256, 256
"""Headers, and characters of one, that are looked at."""
LONGEST_SECONDS = 366 * 86400.0
"""A longer wait is no hint: it is a number of another kind."""
EPOCH_SECONDS, EPOCH_MILLISECONDS = 1e9, 1e12
"""From here on a number is a time since 1970 (the year 2001), in seconds, in milliseconds."""
UNIT_SECONDS = {
    "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0
}  # fmt: skip

_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{0,12})?|\.[0-9]{1,12}", re.ASCII)
_DURATION = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,12})?)(ms|us|µs|ns|s|m|h|d)", re.ASCII)
_FIELD = re.compile(r"\b(limit|remaining|reset|r|t)=([0-9.]{1,20})", re.ASCII)


def refusal_of(error: BaseException, now: float) -> Refusal | None:
    """What an exception says of a server that refused; None for any other. ``now``: wall clock, seconds
    since 1970."""
    link: BaseException | None = error
    for _ in range(LINKS):
        if link is None:
            return None
        try:
            found, final = _told(link, now)
        except Exception:  # an attribute that raises says nothing
            found, final = None, False
        if found is not None or final:
            return found
        link = link.__cause__
    return None


def is_bad_request(error: BaseException) -> bool:
    """Whether a server has found the request itself at fault: asked again, it answers the same."""
    link: BaseException | None = error
    for _ in range(LINKS):
        if link is None:
            return False
        try:
            status = _answer_of(link)[0]
        except Exception:  # an attribute that raises says nothing
            status = None
        if status is not None:
            return status in BAD_REQUESTS
        link = link.__cause__
    return False


def _told(error: BaseException, now: float) -> tuple[Refusal | None, bool]:
    """The refusal that one exception tells, and whether it says that it is none."""
    if isinstance(error, RetryAfter):
        return Refusal(429, sensible(error.seconds)), True
    if isinstance(error, ConnectionRefusedError):
        return Refusal(503, unreached=True), True
    status, headers = _answer_of(error)
    if status is None and _is_number(getattr(error, "retry_after", None)):
        status = 429
    if status is None:
        status = _named(error)
    if status not in REFUSING:
        return None, False
    if headers.get("x-should-retry", "").strip().lower() == "false" or _is_spent(error):
        return None, True
    hint = seconds_told(headers, now)
    if hint is None:
        own: Any = getattr(error, "retry_after", None)
        hint = sensible(float(own)) if _is_number(own) else None
    return Refusal(status, hint), True


def _named(error: BaseException) -> int | None:
    """The status that an exception of the user's own tells by its name, or by its first argument."""
    name = type(error).__name__.lower().replace("_", "")
    if any(part in name for part in REFUSING_NAMES):
        return 429
    first = error.args[0] if error.args else None
    tells = type(first) is int and first in REFUSING
    return first if tells and any(part in name for part in ANSWERING_NAMES) else None


def _answer_of(error: BaseException) -> tuple[int | None, dict[str, str]]:
    """Status and headers of the answer that an exception carries."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        return _botocore(response)
    for holder in (response, error):
        if holder is None:
            continue
        for name in ("status_code", "status", "code"):
            value = getattr(holder, name, None)
            if callable(value) and name == "code" and callable(getattr(holder, "details", None)):
                value = (
                    429 if getattr(value(), "name", "") == "RESOURCE_EXHAUSTED" else None
                )  # gRPC
            if isinstance(value, int) and _is_status(value):
                headers = getattr(holder, "headers", None)
                return int(value), headers_of(headers or getattr(error, "headers", None))
    return None, {}


def _botocore(response: dict[Any, Any]) -> tuple[int | None, dict[str, str]]:
    about = response.get("ResponseMetadata")
    about = about if isinstance(about, dict) else {}
    told = response.get("Error")
    code = told.get("Code") if isinstance(told, dict) else None
    told_status = about.get("HTTPStatusCode")
    status: int | None = int(told_status) if _is_status(told_status) else None  # type: ignore[arg-type]
    if isinstance(code, str) and code in THROTTLING:
        status = status if status in REFUSING else 429
    return status, headers_of(about.get("HTTPHeaders"))


def _is_spent(error: BaseException) -> bool:
    """No waiting helps: the account has no money left (OpenAI answers 429 to that, too)."""
    body = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, dict) else None
    codes = [getattr(error, "code", None), getattr(error, "type", None)]
    if isinstance(inner, dict):
        codes += [inner.get("code"), inner.get("type")]
    return "insufficient_quota" in [code for code in codes if isinstance(code, str)]


def _is_status(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 999


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def headers_of(headers: Any) -> dict[str, str]:
    """Headers of any client as texts by name in lower case; {} for what are none."""
    pairs = headers.items() if callable(getattr(headers, "items", None)) else headers
    found: dict[str, str] = {}
    try:
        for number, (name, value) in enumerate(pairs):
            if number >= MOST_HEADERS:
                break
            key, text = _text(name), _text(value)
            if key is not None and text is not None:
                found.setdefault(key.lower(), text)
    except Exception:
        return found
    return found


def _text(value: object) -> str | None:
    if isinstance(value, (list, tuple)) and value:
        value = value[0]
    if isinstance(value, bytes):
        value = value[:MOST_VALUE].decode("latin-1")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = repr(value)
    return value[:MOST_VALUE].strip() if isinstance(value, str) else None


def seconds_told(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait as headers tell them (names in lower case), None where they do not.

    >>> seconds_told({"retry-after-ms": "250"}, 0.0), seconds_told({"retry-after": "7"}, 0.0)
    (0.25, 7.0)
    >>> told = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}
    >>> seconds_told(told, 0.0), seconds_told({"retry-after": "-1"}, 0.0)
    (360.0, None)
    """
    number = _plain(headers.get("retry-after-ms", ""))
    found = None if number is None else sensible(number / 1000.0)
    if found is not None:
        return found
    clock = date_seconds(headers.get("date", ""))
    now = now if clock is None else clock  # its own clock, where it shows it: ours may be wrong
    for name in ("retry-after", "x-retry-after"):
        value = headers.get(name)
        found = None if value is None else duration_seconds(value, now)
        if found is not None:
            return found
    return _until_reset(headers, now)


def _until_reset(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds until the latest of the limits that have nothing left begins anew."""
    found: list[float] = []
    for name, value in headers.items():
        if "ratelimit" not in name.replace("-", ""):
            continue
        if "remaining" in name and _plain(value) == 0.0:
            reset = duration_seconds(headers.get(name.replace("remaining", "reset"), ""), now)
            found += [] if reset is None else [reset]
        elif "remaining" not in name and "reset" not in name:
            for part in value.split(
                ","
            ):  # RateLimit: "default";r=0;t=30, or limit=9, remaining=0, reset=5
                fields: dict[str, str] = dict(_FIELD.findall(part if ";" in part else value))
                left = _plain(fields.get("r") or fields.get("remaining") or "")
                reset = duration_seconds(fields.get("t") or fields.get("reset") or "", now)
                if left == 0.0 and reset is not None:
                    found.append(reset)
    return max(found, default=None)


def duration_seconds(text: str, now: float) -> float | None:
    """Seconds from now as a text tells them: "12", "0.5", "250ms", "1m30s", a date, a time since 1970."""
    text = text.strip().strip('"')
    number = _plain(text)
    if number is not None:
        if number >= EPOCH_MILLISECONDS:
            number = number / 1000.0 - now
        elif number >= EPOCH_SECONDS:
            number -= now
        return sensible(number)
    parts = _DURATION.findall(text)
    if parts and "".join(value + unit for value, unit in parts) == text.replace(" ", ""):
        return sensible(sum(float(value) * UNIT_SECONDS[unit] for value, unit in parts))
    date = date_seconds(text)
    return None if date is None else sensible(date - now)


def date_seconds(text: str) -> float | None:
    """Seconds since 1970 of a date as HTTP writes it, or RFC 3339; None for what is none."""
    if not text or len(text) > 64:
        return None
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        if text[:1].isdigit():
            found = datetime.fromisoformat(text.replace("Z", "+00:00"))
        else:
            found = parsedate_to_datetime(text)
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC)
        return found.timestamp()
    except Exception:  # nothing that is a date
        return None


def sensible(seconds: float) -> float | None:
    """The seconds, where one can wait for them."""
    return seconds if isfinite(seconds) and 0.0 < seconds <= LONGEST_SECONDS else None


def _plain(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None
