"""Files of checkpoints that are damaged, foreign or full; two runs at once; forks."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.work import Recorder

from amorsize import CheckpointError, execute, stream
from amorsize.errors import OptionError

pytestmark = pytest.mark.timeout(60)
ROOT = Path(__file__).resolve().parent.parent.parent


def test_damage_is_an_error_or_harmless(path: str) -> None:
    """Bytes overwritten anywhere: the right results, or a CheckpointError; never others."""
    data = [f"item {number}" for number in range(300)]
    expected = execute(str.upper, data, checkpoint=path, n_jobs=1)
    sound = Path(path).read_bytes()
    chance = random.Random(11)
    refused = 0
    for _ in range(150):
        broken = bytearray(sound)
        for _ in range(chance.choice((1, 8, 64))):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        if chance.random() < 0.2:
            del broken[chance.randrange(1, len(broken)) :]
        Path(path).write_bytes(broken)
        os.chmod(path, 0o600)
        try:
            assert execute(str.upper, data, checkpoint=path, n_jobs=1) == expected
        except CheckpointError:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("content", [b"some text\n", b"SQLite format 3\0", b"\0" * 200])
def test_a_foreign_file_is_left_alone(content: bytes, path: str) -> None:
    Path(path).write_bytes(content)
    os.chmod(path, 0o600)
    with pytest.raises(CheckpointError, match="no checkpoint of amorsize"):
        execute(abs, [1, 2], checkpoint=path)
    assert Path(path).read_bytes() == content


def test_another_database_is_left_alone(path: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine(x)")
    connection.close()
    os.chmod(path, 0o600)
    before = Path(path).read_bytes()
    with pytest.raises(CheckpointError, match="no checkpoint"):
        execute(abs, [1, 2], checkpoint=path)
    assert Path(path).read_bytes() == before


def test_a_newer_journal_is_refused(path: str) -> None:
    execute(abs, [1], checkpoint=path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(CheckpointError, match="newer"):
        execute(abs, [1], checkpoint=path)


def test_what_others_could_have_written_is_refused(path: str, tmp_path: Path) -> None:
    execute(abs, [1], checkpoint=path)
    os.chmod(path, 0o666)
    with pytest.raises(CheckpointError, match="written by others"):
        execute(abs, [1], checkpoint=path)
    os.chmod(path, 0o600)
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(CheckpointError, match="symbolic link"):
        execute(abs, [1], checkpoint=link)
    for suffix in ("-wal", "-journal"):
        planted = Path(path + suffix)
        planted.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(CheckpointError, match=suffix):
            execute(abs, [1], checkpoint=path)
        planted.unlink()
        planted.write_bytes(b"x")
        planted.chmod(0o666)
        with pytest.raises(CheckpointError, match="written by others"):
            execute(abs, [1], checkpoint=path)
        planted.unlink()
    assert not (tmp_path / "elsewhere").exists()
    os.chmod(tmp_path, 0o777)
    with pytest.raises(CheckpointError, match="everybody"):
        execute(abs, [1], checkpoint=path)
    os.chmod(tmp_path, 0o1777)
    assert execute(abs, [1], checkpoint=path) == [1]


def test_a_file_of_another_user_is_refused(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    execute(abs, [1], checkpoint=path)
    if os.geteuid() == 0:
        os.chown(path, 65534, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 65534)
    with pytest.raises(CheckpointError, match="another user"):
        execute(abs, [1], checkpoint=path)


def test_places_that_cannot_hold_a_file(path: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="directory"):
        execute(abs, [1], checkpoint=tmp_path)
    with pytest.raises(CheckpointError, match="make the directory"):
        execute(abs, [1], checkpoint=tmp_path / "none" / "file")
    os.mkfifo(path)
    with pytest.raises(CheckpointError, match="regular"):
        execute(abs, [1], checkpoint=path)
    for wrong in (3, b"x", "", "a\0b"):
        with pytest.raises(OptionError, match="checkpoint"):
            execute(abs, [1], checkpoint=wrong)
    with pytest.raises(OptionError, match="checkpoint_format"):
        execute(abs, [1], checkpoint_format="xml")


def _limited(bytes_: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, bytes_))


def test_a_file_that_can_grow_no_more(path: str) -> None:
    """A limit on file sizes stands for the quota: the error is clear, and a later run goes on."""
    code = (
        "import amorsize, sys\n"
        f"print(len(amorsize.execute(str.upper, ['x' * 3000 + str(i) for i in range(400)],"
        f" checkpoint={path!r}, n_jobs=1)))\n"
    )
    command = [sys.executable, "-c", code]
    first = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, preexec_fn=lambda: _limited(300_000)
    )
    assert first.returncode == 1
    assert "CheckpointError" in first.stderr
    assert "what it holds is safe" in first.stderr
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert second.stdout == "400\n", second.stderr


def test_a_full_disk(tmp_path: Path) -> None:
    """A real file system of 300 KB, where the user may mount one."""
    code = (
        "import amorsize, os\n"
        "data = ['x' * 3000 + str(i) for i in range(400)]\n"
        "try:\n"
        "    amorsize.execute(str.upper, data, checkpoint='disk/journal', n_jobs=1)\n"
        "except amorsize.CheckpointError as error:\n"
        "    print(error)\n"
        "os.system('mount -o remount,size=4m disk')\n"
        "assert amorsize.execute(str.upper, data, checkpoint='disk/journal', n_jobs=1)"
        " == [d.upper() for d in data]\n"
        "print('complete')\n"
    )
    (tmp_path / "disk").mkdir()
    script = 'mount -t tmpfs -o size=300k,mode=700 tmpfs disk || { echo unmountable; exit; }\n"$@"'
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not there")
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    if "unmountable" in done.stdout or "unshare" in done.stderr:
        pytest.skip("this user may not mount a file system")
    assert "the disk is full; what it holds is safe" in done.stdout, done.stderr
    assert done.stdout.endswith("complete\n"), done.stderr


# -- two at once, forks ----------------------------------------------------------------------------------


def test_two_runs_at_once(path: str, tmp_path: Path) -> None:
    function = Recorder(tmp_path / "log", 0.02, sleep=True)
    running = stream(function, range(100), checkpoint=path, n_jobs=1)
    next(running)
    with pytest.raises(CheckpointError, match="in use by another run"):
        execute(function, range(100), checkpoint=path)
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "import amorsize\n"
        "from support import work\n"
        f"f = work.Recorder({str(tmp_path / 'log')!r}, 0.02, sleep=True)\n"
        f"amorsize.execute(f, range(100), checkpoint={path!r}, n_jobs=2, backend='fork')\n"
    )
    other = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "in use by another run" in other.stderr
    running.close()
    # The lock of a process that is killed goes with it, helpers and all.
    before = len(function.calls())
    holder = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, start_new_session=True)
    while len(function.calls()) < before + 10:
        time.sleep(0.01)
    with pytest.raises(CheckpointError, match="in use"):
        execute(function, range(100), checkpoint=path)
    holder.kill()
    holder.wait()
    end = time.monotonic() + 10
    while True:
        try:
            assert execute(function, range(100), checkpoint=path) == [i * i for i in range(100)]
            break
        except CheckpointError:  # its helpers take a moment to see that it is gone
            assert time.monotonic() < end
            time.sleep(0.01)


def _open_files(_: object) -> list[str]:
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            continue
    return found


def _open_files_of_a_child(item: int) -> list[str]:
    """In a fork of the process that runs the item."""
    near, far = os.pipe()
    child = os.fork()
    if not child:
        os.write(far, "\n".join(_open_files(item)).encode())
        os._exit(0)
    os.close(far)
    with open(near, "rb") as file:
        text = file.read().decode()
    os.waitpid(child, 0)
    time.sleep(0.03)  # so that commits lie between two forks
    return text.split("\n")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("backend", ["fork", "serial", "threads", "spawn"])
def test_nothing_of_the_journal_is_open_across_a_fork(backend: str, path: str) -> None:
    function = _open_files if backend in ("fork", "spawn") else _open_files_of_a_child
    execute(function, range(5), n_jobs=1, checkpoint=path)
    os.unlink(path)
    for files in execute(function, range(20), n_jobs=2, backend=backend, checkpoint=path):
        assert not [name for name in files if name.startswith(path)]


def test_forks_do_not_disturb_the_journal(path: str) -> None:
    first = execute(_open_files_of_a_child, range(10), n_jobs=1, checkpoint=path)
    assert execute(_open_files_of_a_child, range(10), n_jobs=1, checkpoint=path) == first


def test_calls_within_calls(path: str) -> None:
    def inner(item: int) -> list[int]:
        return execute(abs, [-item, item], checkpoint=f"{path}.{item}")

    for _ in range(2):
        assert execute(inner, range(6), checkpoint=path) == [[i, i] for i in range(6)]
