"""Ownership, identity and locks of files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from amorsize.storage.files import (
    CAREFUL,
    EVERYBODY,
    NO_FILE,
    OTHERS,
    SHARED_LOCKS,
    belongs_to_us,
    identity,
    is_at,
    is_ours_alone,
    is_writable_by,
    lock,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="posix only")


@pytest.mark.parametrize(
    ("mode", "others", "everybody"),
    [(0o600, False, False), (0o644, False, False), (0o620, True, False), (0o602, True, True)],
)
def test_modes_say_who_may_write(tmp_path: Path, mode: int, others: bool, everybody: bool) -> None:
    file = tmp_path / "file"
    file.touch()
    file.chmod(mode)
    status = file.stat()
    assert belongs_to_us(status)
    assert is_writable_by(OTHERS, status) is others
    assert is_writable_by(EVERYBODY, status) is everybody
    assert is_ours_alone(status) is not others


def test_another_users_file_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch(0o600)
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    assert not belongs_to_us(file.stat()) and not is_ours_alone(file.stat())


def test_an_open_file_is_known_from_its_successor(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    assert identity(path) == NO_FILE
    first = os.open(path, os.O_CREAT | os.O_RDWR | CAREFUL, 0o600)
    assert is_at(first, path) and identity(first) == identity(path) != NO_FILE
    os.rename(path, path + ".old")
    assert not is_at(first, path)
    second = os.open(path, os.O_CREAT | os.O_RDWR | CAREFUL, 0o600)
    assert not is_at(first, path) and is_at(second, path)
    os.close(first)
    os.close(second)


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(OSError):
        os.open(tmp_path / "link", os.O_RDONLY | CAREFUL)


def test_readers_share_a_lock_and_a_writer_does_not(tmp_path: Path) -> None:
    assert SHARED_LOCKS
    path = str(tmp_path / "file")
    one, other = (os.open(path, os.O_CREAT | os.O_RDWR, 0o600) for _ in range(2))
    lock(one, shared=True)
    lock(other, shared=True)
    with pytest.raises(BlockingIOError):
        lock(one)
    os.close(other)
    lock(one)
    third = os.open(path, os.O_RDWR)
    with pytest.raises(BlockingIOError):
        lock(third, shared=True)
    os.close(one)
    lock(third)
    os.close(third)


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    code = (
        "import os, sys; from amorsize.storage.files import lock\n"
        f"lock(os.open({path!r}, os.O_CREAT | os.O_RDWR, 0o600)); print(1, flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None and holder.stdout.readline().strip() == b"1"
    file = os.open(path, os.O_RDWR)
    with pytest.raises(BlockingIOError):
        lock(file)
    holder.kill()
    holder.communicate()
    lock(file)
    os.close(file)
