"""Open files, pipes, maps and databases that items share."""

from __future__ import annotations

import dbm.dumb
import mmap
import os
import shelve
import sqlite3
import tempfile
import zipfile
from pathlib import Path

from case import Case, case, compute, nap, release


def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="same-as-loop-"))


def _lines(count: int) -> Path:
    path = _folder() / "lines.txt"
    path.write_text("".join(f"line {number:05}\n" for number in range(count)))
    return path


@case("files")
def next_line_of_an_open_file() -> Case:
    """The results are the next lines of an open file; the loop leaves it where it stands."""
    file = _lines(200).open()

    def work(item: int) -> str:
        compute()
        return file.readline()

    return Case(work, range(150), left=file.readline)


@case("files")
def lines_into_an_open_file() -> Case:
    """The loop leaves a line for each item in a file that the caller has open."""
    path = _folder() / "out.txt"
    file = path.open("w")

    def work(item: int) -> int:
        value = compute(item)
        file.write(f"{item} {value}\n")
        return value

    def left() -> str:
        file.close()
        return path.read_text()

    return Case(work, range(150), left=left)


@case("files")
def print_into_an_open_file() -> Case:
    """The loop leaves what `print` has written into an open file, unbuffered by lines."""
    path = _folder() / "out.txt"
    file = path.open("w", buffering=1)

    def work(item: int) -> str:
        digest = release(item)
        print(item, digest, file=file)
        return digest

    return Case(work, range(150), left=path.read_text)


@case("files")
def place_in_a_shared_descriptor() -> Case:
    """The results are records read after a seek on a descriptor, whose place forks share."""
    descriptor = os.open(_lines(200), os.O_RDONLY)

    def work(item: int) -> bytes:
        os.lseek(descriptor, item * 11, os.SEEK_SET)
        compute()
        return os.read(descriptor, 10)

    return Case(work, range(150), left=lambda: os.lseek(descriptor, 0, os.SEEK_CUR))


@case("files")
def map_of_a_file_read_on() -> Case:
    """The results are the next lines of a file mapped into memory."""
    with _lines(200).open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 0)

    def work(item: int) -> bytes:
        compute()
        return mapped.readline()

    return Case(work, range(150), left=mapped.tell)


@case("files")
def map_without_a_file() -> Case:
    """The loop leaves a chain of sums in memory that forked processes share."""
    mapped = mmap.mmap(-1, 4096)

    def work(item: int) -> int:
        value = int.from_bytes(mapped[:4], "little") * 31 % 65_521 + item
        compute()
        mapped[:4] = value.to_bytes(4, "little")
        return value

    return Case(work, range(150), left=lambda: mapped[:4])


@case("files")
def database_in_memory() -> Case:
    """The loop leaves a row for each item in a database in memory."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    connection.execute("create table t (n integer)")

    def work(item: int) -> int:
        value = compute(item)
        connection.execute("insert into t values (?)", (value,))
        return value

    return Case(
        work,
        range(150),
        left=lambda: connection.execute("select count(*), sum(n) from t").fetchone(),
    )


@case("files")
def transaction_of_the_caller() -> Case:
    """The loop leaves rows that only the caller's open transaction sees, counted by every item."""
    path = _folder() / "data.sqlite"
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("create table t (n integer)")
    connection.execute("begin")

    def work(item: int) -> int:
        compute()
        connection.execute("insert into t values (?)", (item,))
        return connection.execute("select count(*) from t").fetchone()[0]

    def left() -> int:
        connection.execute("commit")
        return connection.execute("select sum(n) from t").fetchone()[0]

    return Case(work, range(150), left=left)


@case("files")
def identifiers_of_inserted_rows() -> Case:
    """The results are identifiers that a database file gives to rows, each item with a connection."""
    path = _folder() / "data.sqlite"
    setup = sqlite3.connect(path)
    setup.execute("create table t (id integer primary key, n integer)")
    setup.close()

    def work(item: int) -> int | None:
        if item % 10:
            compute()
            return None
        connection = sqlite3.connect(path, timeout=20)
        with connection:
            number = connection.execute("insert into t (n) values (?)", (item,)).lastrowid
        connection.close()
        return number

    return Case(work, range(150))


@case("files")
def archive_that_is_open() -> Case:
    """The results are members of an open archive, read through one file."""
    path = _folder() / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(150):
            archive.writestr(f"{number}.txt", f"text {number} " * 200)
    opened = zipfile.ZipFile(path)

    def work(item: int) -> tuple[int, str]:
        compute()
        text = opened.read(f"{item}.txt")
        return len(text), text[:9].decode()

    return Case(work, range(150))


@case("files")
def names_by_the_number_of_files() -> Case:
    """The results are names of new files, each numbered by how many there are already."""
    folder = _folder()

    def work(item: int) -> str:
        compute()
        path = folder / f"{len(list(folder.iterdir())):04}.txt"
        path.write_text(str(item))
        return path.name

    def left() -> list[str]:
        return [path.read_text() for path in sorted(folder.iterdir())]

    return Case(work, range(150), left=left)


@case("files")
def lines_added_to_a_file_by_its_name() -> Case:
    """The loop leaves a line for each item in a file that every item opens to append."""
    path = _folder() / "log.txt"

    def work(item: int) -> int:
        value = compute(item)
        with open(path, "a") as file:
            file.write(f"{item}\n")
        return value

    return Case(work, range(150), left=path.read_text)


@case("files")
def counter_in_a_file() -> Case:
    """The results count up a number that is read from a file and written back."""
    path = _folder() / "counter"
    path.write_text("0")

    def work(item: int) -> int:
        nap()
        number = int(path.read_text() or 0) + 1
        path.write_text(str(number))
        return number

    return Case(work, range(150), left=path.read_text)


@case("files")
def open_shelf() -> Case:
    """The loop leaves a value for each item in an open shelf."""
    shelf = shelve.Shelf(dbm.dumb.open(str(_folder() / "shelf"), "c"))  # noqa: SIM115

    def work(item: int) -> str:
        digest = release(item)
        shelf[str(item % 50)] = [item, digest]
        return digest

    return Case(work, range(150), left=lambda: sorted(shelf.items()))


@case("files")
def pipe_written_to() -> Case:
    """The loop leaves the items in a pipe, in their order."""
    reader, writer = os.pipe()

    def work(item: int) -> int:
        compute()
        return os.write(writer, f"{item:03} ".encode())

    return Case(work, range(150), left=lambda: os.read(reader, 10_000))


@case("files")
def pipe_read_from() -> Case:
    """The results are tokens in the order in which a pipe gives them."""
    reader, writer = os.pipe()
    os.write(writer, b"".join(f"{number:04}".encode() for number in range(160)))

    def work(item: int) -> bytes:
        compute()
        return os.read(reader, 4)

    return Case(work, range(150), left=lambda: os.read(reader, 100))


@case("files")
def descriptors_as_results() -> Case:
    """The results are descriptors that the caller can read from."""
    path = _lines(10)

    def work(item: int) -> int:
        compute()
        return os.open(path, os.O_RDONLY) if item % 10 == 5 else -1

    def show(descriptor: int) -> bytes:
        if descriptor < 0:
            return b""
        try:
            return os.pread(descriptor, 10, 0)
        except OSError as error:
            return error.__class__.__name__.encode()

    return Case(work, range(150), show=show)


@case("files")
def temporary_file_of_the_caller() -> Case:
    """The loop leaves bytes in a temporary file, written by a method kept in a dict."""
    file = tempfile.TemporaryFile()  # noqa: SIM115
    sinks = {"main": file.write}

    def work(item: int) -> int:
        compute()
        return sinks["main"](bytes([65 + item % 26]))

    def left() -> bytes:
        file.seek(0)
        return file.read()

    return Case(work, range(150), left=left)


@case("files")
def folder_walked_on() -> Case:
    """The results are how many entries of a folder an open scan has given so far."""
    folder = _folder()
    for number in range(160):
        (folder / f"{number}").touch()
    scan = os.scandir(folder)
    seen: set[str] = set()

    def work(item: int) -> int:
        compute()
        seen.add(next(scan).name)
        return len(seen)

    return Case(work, range(150), left=lambda: len(list(scan)))
