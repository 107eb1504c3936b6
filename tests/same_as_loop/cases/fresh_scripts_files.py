"""Functions that work on files, archives, databases and programs, as scripts have them.

Written before the rules were read.
"""

from __future__ import annotations

import configparser
import csv
import dbm.dumb
import fileinput
import gzip
import io
import json
import logging
import lzma
import mailbox
import mmap
import os
import pickle
import shelve
import shutil
import sqlite3
import struct
import subprocess
import sys
import tarfile
import tempfile
import wave
import zipfile
from pathlib import Path
from typing import Any

from case import Case, case, compute

N = 120


def _folder() -> Path:
    return Path(tempfile.mkdtemp())


def _names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@case("files")
def script_flag_that_stops_the_rest() -> Case:
    """One item leaves a flag; those after it see it and do less."""
    flag = _folder() / "enough.flag"

    def work(item: int) -> str:
        if flag.exists():
            return "skipped"
        value = compute(item)
        if item == 70:
            flag.touch()
        return str(value)

    return Case(work, range(N), left=flag.exists)


@case("files")
def script_first_free_number() -> Case:
    """Reports are named by the first number that is free."""
    folder = _folder()

    def work(item: int) -> str:
        value = compute(item)
        number = 0
        while (folder / f"report-{number:03}.txt").exists():
            number += 1
        (folder / f"report-{number:03}.txt").write_text(f"{item} {value}")
        return f"report-{number:03}.txt"

    return Case(work, range(N), left=lambda: [(folder / n).read_text() for n in _names(folder)])


@case("files")
def script_previous_is_moved_aside() -> Case:
    """The current file is moved to the name of the item that replaces it."""
    folder = _folder()
    current = folder / "current.txt"

    def work(item: int) -> int:
        value = compute(item)
        if current.exists():
            shutil.move(str(current), str(folder / f"before-{item}.txt"))
        current.write_text(str(value))
        return value

    return Case(
        work, range(N), left=lambda: [(n, (folder / n).read_text()) for n in _names(folder)]
    )


@case("files")
def script_offset_kept_in_the_file() -> Case:
    """A block is written behind those that the head of the file counts."""
    path = _folder() / "blocks.bin"
    path.write_bytes(struct.pack("<I", 0))

    def work(item: int) -> int:
        compute(item)
        descriptor = os.open(path, os.O_RDWR)
        (count,) = struct.unpack("<I", os.pread(descriptor, 4, 0))
        os.pwrite(descriptor, struct.pack("<I", item), 4 + 4 * count)
        os.pwrite(descriptor, struct.pack("<I", count + 1), 0)
        os.close(descriptor)
        return item

    return Case(work, range(N), left=path.read_bytes)


@case("files")
def script_spooled_file_that_rolls_over() -> Case:
    """A spooled file of the caller takes all lines."""
    spool = tempfile.SpooledTemporaryFile(max_size=500, mode="w+")  # noqa: SIM115

    def work(item: int) -> int:
        value = compute(item)
        print(item, value, file=spool)
        return value

    def left() -> str:
        spool.seek(0)
        return spool.read()

    return Case(work, range(N), left=left)


@case("files")
def script_archive_opened_for_each_member() -> Case:
    """Each item opens the archive and adds its member."""
    path = _folder() / "all.zip"

    def work(item: int) -> int:
        value = compute(item)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(f"{item}.txt", str(value))
        return value

    return Case(work, range(N), left=lambda: zipfile.ZipFile(path).namelist())


@case("files")
def script_tape_opened_for_each_member() -> Case:
    """The same for tar."""
    path = _folder() / "all.tar"

    def work(item: int) -> int:
        text = str(compute(item)).encode()
        with tarfile.open(path, "a") as archive:
            member = tarfile.TarInfo(f"{item}.txt")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
        return item

    return Case(work, range(N), left=lambda: tarfile.open(path).getnames())


@case("files")
def script_total_on_a_shelf() -> Case:
    """A running total is kept on a shelf that each item opens."""
    path = str(_folder() / "shelf")

    def work(item: int) -> int:
        value = compute(item) % 97
        with shelve.open(path) as shelf:
            shelf["total"] = shelf.get("total", 0) + value
            return shelf["total"]

    return Case(work, range(N), left=lambda: shelve.open(path)["total"])


@case("files")
def script_plain_database_opened_by_each() -> Case:
    """dbm.dumb opened by each item for one key that grows."""
    path = str(_folder() / "plain")

    def work(item: int) -> int:
        compute(item)
        base = dbm.dumb.open(path, "c")  # noqa: SIM115
        base[b"all"] = base.get(b"all", b"") + str(item).encode() + b","
        size = len(base[b"all"])
        base.close()
        return size

    return Case(work, range(N), left=lambda: dbm.dumb.open(path, "r")[b"all"])


@case("files")
def script_rows_numbered_by_sqlite() -> Case:
    """Each item connects, inserts and returns the number that it got."""
    path = str(_folder() / "rows.db")
    with sqlite3.connect(path) as base:
        base.execute("create table rows (id integer primary key autoincrement, item int)")

    def work(item: int) -> Any:
        compute(item)
        with sqlite3.connect(path, timeout=30) as connection:
            return connection.execute("insert into rows (item) values (?)", (item,)).lastrowid

    return Case(
        work, range(N), left=lambda: sqlite3.connect(path).execute("select * from rows").fetchall()
    )


@case("files")
def script_first_writer_of_a_key_wins() -> Case:
    """``insert or ignore``: the first item of a group stays."""
    path = str(_folder() / "groups.db")
    with sqlite3.connect(path) as base:
        base.execute("create table groups (name text primary key, item int)")

    def work(item: int) -> int:
        value = compute(item)
        base = sqlite3.connect(path, timeout=30, isolation_level=None)
        base.execute("insert or ignore into groups values (?, ?)", (f"g{item % 7}", item))
        base.close()
        return value

    return Case(
        work,
        range(N),
        left=lambda: sqlite3.connect(path).execute("select * from groups order by name").fetchall(),
    )


@case("files")
def script_line_edited_in_place() -> Case:
    """A line of a file is edited by fileinput."""
    path = _folder() / "lines.txt"
    path.write_text("\n".join(f"{n}: todo" for n in range(N)) + "\n")

    def work(item: int) -> int:
        value = compute(item)
        with fileinput.input(path, inplace=True) as lines:
            for line in lines:
                print(
                    line.rstrip().replace("todo", "done")
                    if lines.lineno() == item
                    else line.rstrip()
                )
        return value

    return Case(work, range(1, N), left=path.read_text)


@case("files")
def script_table_rewritten_whole() -> Case:
    """The table is read, a row more is put in, and it is replaced."""
    folder = _folder()
    path = folder / "table.csv"

    def work(item: int) -> int:
        value = compute(item)
        rows = list(csv.reader(path.open(newline=""))) if path.exists() else []
        rows.append([str(item), str(value)])
        handle, name = tempfile.mkstemp(dir=folder)
        with os.fdopen(handle, "w", newline="") as file:
            csv.writer(file).writerows(rows)
        os.replace(name, path)
        return len(rows)

    return Case(work, range(N), left=path.read_text)


@case("files")
def script_members_of_gzip_in_a_row() -> Case:
    """Each item adds a member of gzip to the file."""
    path = _folder() / "log.gz"

    def work(item: int) -> int:
        value = compute(item)
        with gzip.open(path, "at") as file:
            file.write(f"{item}={value}\n")
        return value

    return Case(work, range(N), left=lambda: gzip.open(path, "rt").read())


@case("files")
def script_cell_of_a_mapped_array() -> Case:
    """A file that NumPy maps is opened by each item, and counts."""
    import numpy as np

    path = str(_folder() / "counts.dat")
    np.zeros(8).tofile(path)

    def work(item: int) -> float:
        compute(item)
        table = np.memmap(path, dtype=float, mode="r+", shape=(8,))
        table[item % 8] = table[item % 8] * 0.5 + item
        table.flush()
        return float(table[item % 8])

    return Case(work, range(N), left=lambda: np.fromfile(path).tolist())


@case("files")
def script_counter_in_a_map_of_the_caller() -> Case:
    """A map of a file that the caller made: the first four bytes count."""
    path = _folder() / "map.bin"
    path.write_bytes(bytes(64))
    file = path.open("r+b")
    mapped = mmap.mmap(file.fileno(), 64)

    def work(item: int) -> int:
        compute(item)
        number = int.from_bytes(mapped[:4], "little") + 1
        mapped[:4] = number.to_bytes(4, "little")
        return number

    return Case(work, range(N), left=lambda: bytes(mapped[:4]))


@case("files")
def script_log_that_turns_by_size() -> Case:
    """A log is renamed once it is larger than some bytes."""
    folder = _folder()
    log = folder / "run.log"

    def work(item: int) -> int:
        value = compute(item)
        if log.exists() and log.stat().st_size > 300:
            log.rename(folder / f"run.log.{len(_names(folder))}")
        with log.open("a") as file:
            file.write(f"{item} {value}\n")
        return value

    return Case(
        work, range(N), left=lambda: [(n, (folder / n).read_text()) for n in _names(folder)]
    )


@case("files")
def script_checkpoint_now_and_then() -> Case:
    """Every tenth item writes what it and those before it have done."""
    path = _folder() / "state.pkl"
    done: list[int] = []

    def work(item: int) -> int:
        value = compute(item)
        done.append(item)
        if item % 10 == 9:
            path.write_bytes(pickle.dumps(done))
        return value

    return Case(work, range(N), left=lambda: (pickle.loads(path.read_bytes()), len(done)))


@case("files")
def script_jobs_taken_from_a_folder() -> Case:
    """The item takes the first job that lies in a folder."""
    folder = _folder()
    for number in range(N):
        (folder / f"job-{number:03}").write_text(str(number))

    def work(item: int) -> str:
        compute(item)
        name = min(os.listdir(folder))
        os.unlink(folder / name)
        return name

    return Case(work, range(N - 20), left=lambda: _names(folder))


@case("files")
def script_results_counted_so_far() -> Case:
    """An item says how many results lie there."""
    folder = _folder()

    def work(item: int) -> int:
        (folder / f"{item}.out").write_text(str(compute(item)))
        return len(list(folder.glob("*.out")))

    return Case(work, range(N), left=lambda: _names(folder))


@case("files")
def script_memory_of_joblib() -> Case:
    """A function cached on disk by joblib notes how often it was computed."""
    import joblib

    folder = _folder()
    notes = folder / "notes.txt"
    memory = joblib.Memory(str(folder / "cache"), verbose=0)

    def slow(key: int) -> int:
        with notes.open("a") as file:
            file.write(f"{key}\n")
        return compute(key)

    cached = memory.cache(slow)

    def work(item: int) -> int:
        return compute(item) + cached(item % 9)

    return Case(work, range(N), left=lambda: notes.read_text().split())


@case("files")
def script_lines_by_a_file_handler() -> Case:
    """A logger with a file of its own."""
    path = _folder() / "job.log"
    logger = logging.getLogger("script.job")
    logger.setLevel("INFO")
    logger.propagate = False
    logger.addHandler(logging.FileHandler(path, delay=True))

    def work(item: int) -> int:
        value = compute(item)
        logger.info("item %d is %d", item, value)
        return value

    return Case(work, range(N), left=path.read_text)


@case("files")
def script_download_kept_by_its_name() -> Case:
    """What is fetched once lies in a folder under a name of the host."""
    folder = _folder()

    def work(item: int) -> str:
        compute(item)
        path = folder / f"host{item % 5}.json"
        if not path.exists():
            path.write_text(json.dumps({"by": item}))
        return path.read_text()

    return Case(work, range(N), left=lambda: [(folder / n).read_text() for n in _names(folder)])


@case("files")
def script_folder_by_the_day_with_except() -> Case:
    """Who makes the folder says so in it."""
    folder = _folder()

    def work(item: int) -> int:
        value = compute(item)
        day = os.path.join(folder, f"day{item // 40}")
        try:
            os.mkdir(day)
            Path(day, "owner").write_text(str(item))
        except FileExistsError:
            pass
        return value

    return Case(
        work, range(N), left=lambda: [(folder / f"day{d}" / "owner").read_text() for d in range(3)]
    )


@case("files")
def script_exclusive_file_as_a_lock() -> Case:
    """Made with ``x``: the first keeps it."""
    folder = _folder()

    def work(item: int) -> bool:
        compute(item)
        try:
            with open(folder / f"claim-{item % 11}", "x") as file:
                file.write(str(item))
            return True
        except FileExistsError:
            return False

    return Case(work, range(N), left=lambda: [(folder / n).read_text() for n in _names(folder)])


@case("process")
def script_program_that_appends() -> Case:
    """A program adds a line to a file."""
    path = str(_folder() / "all.txt")

    def work(item: int) -> int:
        value = compute(item)
        os.system(f"echo {item} >> {path}")
        return value

    return Case(work, range(60), left=lambda: Path(path).read_text())


@case("process")
def script_program_that_copies_to_the_latest() -> Case:
    """``cp`` to one and the same name."""
    folder = _folder()

    def work(item: int) -> int:
        value = compute(item)
        source = folder / f"in-{item}"
        source.write_text(str(value))
        subprocess.run(["cp", str(source), str(folder / "latest")], check=True)
        return value

    return Case(work, range(60), left=lambda: (folder / "latest").read_text())


@case("process")
def script_program_fed_line_by_line() -> Case:
    """A program that was started by the caller gets a line from each item."""
    path = str(_folder() / "fed.txt")
    child = subprocess.Popen(["tee", path], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)

    def work(item: int) -> int:
        value = compute(item)
        assert child.stdin is not None
        child.stdin.write(f"{item}\n".encode())
        child.stdin.flush()
        return value

    def left() -> str:
        assert child.stdin is not None
        child.stdin.close()
        child.wait()
        return Path(path).read_text()

    return Case(work, range(N), left=left)


@case("process")
def script_program_that_counts_in_a_file() -> Case:
    """A program of Python's reads a number and writes the next."""
    folder = _folder()
    (folder / "n").write_text("0")
    script = folder / "count.sh"
    script.write_text(f"n=$(cat {folder}/n); echo $((n+1)) > {folder}/n; echo $((n+1))\n")

    def work(item: int) -> str:
        compute(item)
        return subprocess.run(["sh", str(script)], capture_output=True, text=True).stdout

    return Case(work, range(60), left=lambda: (folder / "n").read_text())


@case("files")
def script_letters_put_into_a_mailbox() -> Case:
    """A mailbox that each item opens."""
    path = str(_folder() / "box")

    def work(item: int) -> int:
        value = compute(item)
        box = mailbox.mbox(path)
        box.add(f"Subject: {item}\n\n{value}\n")
        box.close()
        return value

    return Case(work, range(60), left=lambda: [m["subject"] for m in mailbox.mbox(path)])


@case("files")
def script_sound_written_in_turn() -> Case:
    """Frames go to a writer of sound that the caller opened."""
    buffer = io.BytesIO()
    writer = wave.open(buffer, "wb")  # noqa: SIM115
    writer.setnchannels(1)
    writer.setsampwidth(2)
    writer.setframerate(8000)

    def work(item: int) -> int:
        value = compute(item)
        writer.writeframes(struct.pack("<h", value % 1000))
        return value

    def left() -> bytes:
        writer.close()
        return buffer.getvalue()

    return Case(work, range(N), left=left)


@case("files")
def script_compressed_by_one_object() -> Case:
    """An LZMA stream takes the text of each item."""
    packer = lzma.LZMACompressor()
    parts: dict[int, bytes] = {}

    def work(item: int) -> int:
        return len(packer.compress(f"{compute(item)} {item}\n".encode() * 30))

    def left() -> str:
        parts[0] = packer.flush()
        return parts[0].hex()

    return Case(work, range(N), left=left)


@case("files")
def script_pages_of_a_table_read_in_chunks() -> Case:
    """A reader of pandas gives the next chunk to whoever asks."""
    import pandas as pd

    text = "a,b\n" + "".join(f"{n},{n * n}\n" for n in range(4 * N))
    reader = pd.read_csv(io.StringIO(text), iterator=True)

    def work(item: int) -> int:
        compute(item)
        return int(reader.get_chunk(4)["b"].sum())

    return Case(work, range(N))


@case("files")
def script_frames_appended_to_a_database() -> Case:
    """``to_sql`` with ``if_exists="append"``."""
    import pandas as pd

    path = str(_folder() / "frames.db")

    def work(item: int) -> int:
        value = compute(item)
        base = sqlite3.connect(path, timeout=30)
        pd.DataFrame({"item": [item], "value": [value]}).to_sql("t", base, if_exists="append")
        base.close()
        return value

    return Case(
        work, range(60), left=lambda: sqlite3.connect(path).execute("select item from t").fetchall()
    )


@case("files")
def script_settings_of_the_last_item() -> Case:
    """A configuration held by the caller is set and written out."""
    path = _folder() / "run.ini"
    settings = configparser.ConfigParser()
    settings["run"] = {}

    def work(item: int) -> int:
        value = compute(item)
        settings["run"]["last"] = str(item)
        with path.open("w") as file:
            settings.write(file)
        return value

    return Case(work, range(N), left=lambda: (path.read_text(), dict(settings["run"])))


@case("files")
def script_module_written_and_imported() -> Case:
    """Plugins are written once and imported; the first import numbers them."""
    folder = _folder()
    sys.path.insert(0, str(folder))
    (folder / "script_registry.py").write_text("order = []\n")
    for number in range(6):
        (folder / f"script_plugin{number}.py").write_text(
            f"import script_registry\nscript_registry.order.append({number})\n"
            "place = len(script_registry.order)\n"
        )

    def work(item: int) -> int:
        compute(item)
        return int(__import__(f"script_plugin{item * 5 // N % 6}").place)

    def left() -> Any:
        import script_registry  # type: ignore[import-not-found]

        return script_registry.order

    return Case(work, range(N), left=left)
