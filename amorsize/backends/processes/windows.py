"""Windows: a fresh interpreter that shares a socket and memory with its caller, and how processes end.

::

    caller                                          worker (spawn_main)
    Popen --> the caller's job object
          -- tag, bytes, socket --> standard input --> given: maps the tagged memory, opens the socket
    the job's only handle closes with the caller:      the system ends the worker, wherever it is

A socket cannot be inherited there, so it is duplicated for the worker's process and described to it, and
the memory has a name nobody can guess. Standard input is read to its end before anything is imported: a
thread that reads it while NumPy is imported would make the import wait (numpy issue 24290).
"""

from __future__ import annotations

import _socket
import mmap
import os
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from typing import Any

SYNCHRONIZE, QUERY = 0x00100000, 0x1000
"""Rights to wait for a process, and to ask how it ended (PROCESS_QUERY_LIMITED_INFORMATION)."""
KILL_ON_CLOSE, LIMITS_CLASS = 0x2000, 9
"""A job's processes end when its last handle is closed (JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE); the kind of
information that says so (JobObjectExtendedLimitInformation)."""
LIMITS_BYTES, FLAGS_AT = 144, 16
"""Size of that structure with 64-bit pointers, and where its flags stand."""
END_SECONDS = 10.0
"""Longest wait for a process that was ended."""

_job: Any = None
"""The job object that all workers of this process are in; closed by the system at its end."""


def start(
    command: list[str], far: _socket.socket, size: int
) -> tuple[subprocess.Popen[bytes], memoryview[int]]:
    """Start a worker that has the socket ``far`` and ``size`` bytes of memory in common with us.

    ``command``: an interpreter that asks :func:`given` for both. Raises OSError where none can start."""
    if sys.platform != "win32":
        raise NotImplementedError
    import subprocess

    tag = "amorsize-" + os.urandom(16).hex()
    words = memoryview(mmap.mmap(-1, size, tagname=tag)).cast("q")
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,  # a Ctrl-C is the caller's to answer
    )
    try:
        _end_with_us(process)
        described = far.share(process.pid)
        assert process.stdin is not None
        process.stdin.write(f"{tag} {size} {len(described)}\n".encode() + described)
        process.stdin.close()
    except BaseException:
        process.kill()
        process.wait()
        raise
    return process, words


def given() -> tuple[_socket.socket, memoryview[int]]:
    """In a worker: the socket and the memory that it has in common with its caller."""
    if sys.platform != "win32":
        raise NotImplementedError
    line = sys.stdin.buffer.readline().split()
    if len(line) != 3:  # the caller has ended meanwhile
        os._exit(1)
    tag, size, length = line[0].decode(), int(line[1]), int(line[2])
    described = sys.stdin.buffer.read(length)
    sys.stdin.buffer.read()
    words = memoryview(mmap.mmap(-1, size, tagname=tag)).cast("q")
    return _socket.socket(0, 0, 0, described), words


def _end_with_us(process: subprocess.Popen[bytes]) -> None:
    """Have the system end a process when this one ends, in whatever way."""
    if sys.platform != "win32":
        raise NotImplementedError
    import ctypes

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    global _job
    if _job is None:
        job = kernel.CreateJobObjectW(None, None)
        limits = (ctypes.c_byte * LIMITS_BYTES)()
        struct.pack_into("<I", limits, FLAGS_AT, KILL_ON_CLOSE)
        done = job and kernel.SetInformationJobObject(
            ctypes.c_void_p(job), LIMITS_CLASS, limits, LIMITS_BYTES
        )
        if not done:
            raise ctypes.WinError(ctypes.get_last_error())
        _job = job
    handle = int(vars(process)["_handle"])
    if not kernel.AssignProcessToJobObject(ctypes.c_void_p(_job), ctypes.c_void_p(handle)):
        raise ctypes.WinError(ctypes.get_last_error())


def exit_code(pid: int, seconds: float) -> int | None:
    """How a process ended; None where it has not, after so many seconds.

    Its ``Popen`` is still there, so that no other process has its number."""
    if sys.platform != "win32":
        raise NotImplementedError
    import _winapi

    try:
        handle = _winapi.OpenProcess(SYNCHRONIZE | QUERY, False, pid)
    except OSError:
        return 1  # nobody knows it any more
    try:
        if _winapi.WaitForSingleObject(handle, int(1000 * seconds)) != _winapi.WAIT_OBJECT_0:
            return None
        return _winapi.GetExitCodeProcess(handle)
    finally:
        _winapi.CloseHandle(handle)


def reaped(pid: int, seconds: float) -> int | None:
    """Wait for a process, and end it after so many seconds; how it ended."""
    code = exit_code(pid, seconds)
    if code is None:
        end(pid)
        code = exit_code(pid, END_SECONDS)
    return code


def end(pid: int) -> None:
    """End a process at once, if it is there; its exit code is that of SIGTERM, 15."""
    import _signal as signal  # type: ignore[import-not-found]

    try:
        os.kill(pid, signal.SIGTERM)
    except OSError:  # it has ended
        pass
