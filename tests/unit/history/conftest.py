"""A PostgreSQL server for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.lent_server import new_server
from support.postgresql import Server, schema_of


@pytest.fixture(scope="package")
def server() -> Iterator[Server]:
    running = new_server()
    try:
        yield running
    finally:
        running.remove()


@pytest.fixture
def url(server: Server, tmp_path: Path) -> str:
    return server.url(schema_of(server, tmp_path))
