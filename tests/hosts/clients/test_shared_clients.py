"""Clients that items share: their calls run side by side, and each answer belongs to its item."""

from __future__ import annotations

import pytest

import amorsize
from tests.support.web import asking, serving

NAMES = ["requests", "urllib3", "httpx", "own"]


@pytest.mark.parametrize("name", NAMES)
def test_calls_of_a_shared_client_run_side_by_side(name: str) -> None:
    with serving(0.02) as server, asking(name, server) as ask:
        found = amorsize.execute(ask, range(200), history=None)
    assert found == [str(item) for item in range(200)]
    assert sorted(map(int, server.served)) == list(range(200))
    assert server.most > 4


@pytest.mark.parametrize("name", ["requests", "httpx"])
def test_a_session_whose_cookies_change_stays_in_the_caller(name: str) -> None:
    with serving(0.005, cookies=True) as server, asking(name, server) as ask:
        found = amorsize.execute(ask, range(60), history=None)
    assert found == [str(item) for item in range(60)]
    assert (server.most, server.served) == (1, [str(item) for item in range(60)])


KEPT = {"requests": 10, "urllib3": 32, "httpx": 20}
"""Connections that the clients keep."""


@pytest.mark.parametrize("options", [{}, {"timeout": 30.0}, {"retries": 2}])
@pytest.mark.parametrize("name", KEPT)
def test_no_more_threads_than_connections(
    name: str, options: dict[str, float], caplog: pytest.LogCaptureFixture
) -> None:
    with serving(0.03) as server, asking(name, server) as ask:
        found = amorsize.execute(ask, range(200), history=None, **options)
    assert found == [str(item) for item in range(200)]
    assert 1 < server.most <= KEPT[name] and server.connections <= KEPT[name] + 1
    assert not [one for one in caplog.records if one.levelname == "WARNING"]


@pytest.mark.parametrize("name", NAMES)
def test_no_process_gets_a_shared_client(name: str) -> None:
    with serving(0.005) as server, asking(name, server) as ask:
        ask(0)
        plan = amorsize.optimize(ask, range(100), history=None)
    assert plan.backend in ("threads", "serial")
    assert "no processes" in plan.safety
