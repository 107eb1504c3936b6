"""Files and folders as scripts share them; written before the rules were read."""

from __future__ import annotations

import configparser
import fcntl
import itertools
import os
import pickle
import shutil
import sqlite3
import subprocess
import tempfile
import zipfile
from pathlib import Path

from case import Case, case, compute

RARE = {37, 58, 91}
N = 120
_names = map(str, itertools.count())


@case("files", documented=True)
def fresh_file_made_where_none_is() -> Case:
    """The first item of a group makes its file, the others read it."""
    folder = Path(tempfile.mkdtemp())

    def work(item: int) -> str:
        path = folder / f"{item % 9}.txt"
        if not path.exists():
            path.write_text(f"made by {item}, {compute(item)}")
        compute(item)
        return path.read_text()

    return Case(work, [n * 7 % 120 for n in range(N)])


@case("files", documented=True)
def fresh_folder_made_where_none_is() -> Case:
    """Each item says whether it had to make the folder of its group."""
    folder = tempfile.mkdtemp()

    def work(item: int) -> bool:
        compute(item)
        path = os.path.join(folder, str(item // 10))
        if os.path.isdir(path):
            return False
        os.makedirs(path)
        return True

    return Case(work, range(N), left=lambda: sorted(os.listdir(folder)))


@case("files", documented=True)
def fresh_folder_made_or_already_there() -> Case:
    """The same by the exception of ``mkdir``."""
    folder = Path(tempfile.mkdtemp())

    def work(item: int) -> str:
        compute(item)
        try:
            (folder / f"part {item % 13}").mkdir()
        except FileExistsError:
            return "there"
        return "made"

    return Case(work, range(N))


@case("files")
def fresh_link_to_the_latest() -> Case:
    """A link named ``latest`` is put on each item's file."""
    folder = Path(tempfile.mkdtemp())

    def work(item: int) -> int:
        path = folder / f"{item}.txt"
        path.write_text(str(compute(item)))
        beside = folder / f"latest.{item}"
        beside.symlink_to(path.name)
        beside.replace(folder / "latest")
        return item

    return Case(work, range(N), left=lambda: os.readlink(folder / "latest"))


@case("files")
def fresh_time_of_a_file() -> Case:
    """Each item stamps one file."""
    path = Path(tempfile.mkdtemp()) / "stamp"
    path.touch()

    def work(item: int) -> int:
        compute(item)
        os.utime(path, (item, item))
        return item

    return Case(work, range(N), left=lambda: path.stat().st_mtime)


@case("files")
def fresh_mode_of_a_file() -> Case:
    """A rare item makes a file private; later ones see it."""
    path = Path(tempfile.mkdtemp()) / "data"
    path.touch(0o644)

    def work(item: int) -> int:
        compute(item)
        if item == 37:
            path.chmod(0o600)
        return path.stat().st_mode & 0o777

    return Case(work, range(N), left=lambda: path.stat().st_mode & 0o777)


@case("files")
def fresh_links_counted() -> Case:
    """Each item links one file and says how many links there are."""
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "data")
    Path(path).touch()

    def work(item: int) -> int:
        compute(item)
        os.link(path, f"{path}.{item}")
        return os.stat(path).st_nlink

    return Case(work, range(N), left=lambda: os.stat(path).st_nlink)


@case("files")
def fresh_folder_renamed_along() -> Case:
    """A folder carries the number of the last item in its name."""
    base = Path(tempfile.mkdtemp())
    (base / "at 0").mkdir()

    def work(item: int) -> str:
        compute(item)
        (here,) = base.glob("at *")
        shutil.move(str(here), str(base / f"at {item}"))
        return here.name

    return Case(work, range(1, N), left=lambda: os.listdir(base))


@case("files")
def fresh_file_that_shrinks() -> Case:
    """Rare items cut a file."""
    path = os.path.join(tempfile.mkdtemp(), "log")
    Path(path).write_bytes(b"x" * 1000)

    def work(item: int) -> int:
        compute(item)
        if item in RARE:
            os.truncate(path, 1000 - item)
        return os.path.getsize(path)

    return Case(work, range(N), left=lambda: os.path.getsize(path))


@case("files")
def fresh_frame_appended_to_a_table() -> Case:
    """Rows go to a CSV file by pandas, with a header where the file is new."""
    import pandas as pd

    path = os.path.join(tempfile.mkdtemp(), "table.csv")

    def work(item: int) -> int:
        compute(item)
        frame = pd.DataFrame({"item": [item], "half": [item / 2]})
        frame.to_csv(path, mode="a", index=False, header=not os.path.exists(path))
        return item

    return Case(work, range(N), left=lambda: Path(path).read_text())


@case("files")
def fresh_member_added_by_the_name_of_the_archive() -> Case:
    """Each item opens the archive by its name and adds a member."""
    path = os.path.join(tempfile.mkdtemp(), "all.zip")

    def work(item: int) -> int:
        compute(item)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(f"{item}.txt", str(item))
            return len(archive.namelist())

    return Case(work, range(N))


@case("files")
def fresh_section_of_a_file_of_settings() -> Case:
    """Rare items change a file of settings that all read."""
    path = Path(tempfile.mkdtemp()) / "settings.ini"
    path.write_text("[run]\nlast = 0\n")

    def work(item: int) -> str:
        compute(item)
        settings = configparser.ConfigParser()
        settings.read(path)
        if item in RARE:
            settings["run"]["last"] = str(item)
            with path.open("w") as file:
                settings.write(file)
        return settings["run"]["last"]

    return Case(work, range(N), left=path.read_text)


@case("files")
def fresh_set_kept_as_a_pickle() -> Case:
    """What was seen is kept in a pickle between items."""
    path = Path(tempfile.mkdtemp()) / "seen.pickle"
    path.write_bytes(pickle.dumps(set()))

    def work(item: int) -> bool:
        compute(item)
        seen = pickle.loads(path.read_bytes())
        known = item % 40 in seen
        if not known:
            path.write_bytes(pickle.dumps(seen | {item % 40}))
        return known

    return Case(work, range(N), left=lambda: len(pickle.loads(path.read_bytes())))


@case("files", documented=True)
def fresh_line_by_a_shell() -> Case:
    """A program appends a line to one file."""
    path = os.path.join(tempfile.mkdtemp(), "log")

    def work(item: int) -> int:
        subprocess.run(["sh", "-c", f"echo {item} >> {path}"], check=True)
        return compute(item)

    return Case(work, range(60), left=lambda: Path(path).read_text())


@case("files")
def fresh_number_behind_a_lock_of_the_file() -> Case:
    """A number is drawn from a file under a lock of the system."""
    path = os.path.join(tempfile.mkdtemp(), "number")
    Path(path).write_text("0")

    def work(item: int) -> int:
        compute(item)
        with open(path, "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            number = int(file.read()) + 1
            file.seek(0)
            file.write(str(number))
        return number

    return Case(work, range(N), left=lambda: Path(path).read_text())


@case("files")
def fresh_copy_to_the_current_one() -> Case:
    """The input of each item is copied to one name, and read from there."""
    folder = Path(tempfile.mkdtemp())
    for item in range(N):
        (folder / f"{item}.in").write_text(str(item))

    def work(item: int) -> str:
        shutil.copy(folder / f"{item}.in", folder / "current")
        compute(item)
        return (folder / "current").read_text()

    return Case(work, range(N), left=lambda: (folder / "current").read_text())


@case("files")
def fresh_database_in_memory_by_its_name() -> Case:
    """A database in memory that all connections of the process share by its name."""
    name = f"file:{next(_names)}?mode=memory&cache=shared"
    keeper = sqlite3.connect(name, uri=True)
    keeper.execute("create table t (n)")
    keeper.commit()

    def work(item: int) -> int:
        compute(item)
        connection = sqlite3.connect(name, uri=True)
        try:
            with connection:
                connection.execute("insert into t values (?)", (item,))
            return int(connection.execute("select count(*) from t").fetchone()[0])
        finally:
            connection.close()

    return Case(work, range(N), left=lambda: keeper.execute("select count(*) from t").fetchone())


@case("files")
def fresh_failures_appended_by_rare_items() -> Case:
    """Only what fails is written down, in one file."""
    path = Path(tempfile.mkdtemp()) / "failures.txt"

    def work(item: int) -> int | None:
        try:
            return compute(item) // (0 if item in RARE else 1)
        except ZeroDivisionError as error:
            with path.open("a") as file:
                print(item, error, file=file)
            return None

    return Case(work, range(N), left=path.read_text)
