"""Files: positions, appending, claims, numbers read and written back."""

import dbm.dumb
import fileinput
import json
import os
import shelve
import tempfile

from case import Case, case, compute, nap, release
from user_scratch import scratch


@case("files", effect=True)
def lines_written_to_an_open_file():
    """The handle is the caller's, with a buffer in this process."""
    path = scratch() / "out.txt"
    out = path.open("w")

    def f(x):
        compute()
        return out.write(f"{x}\n")

    def left():
        out.close()
        return path.read_text()

    return Case(f, range(150), left=left)


@case("files", effect=True)
def appended_by_name():
    """Opened, appended to and closed for each item: safe with many, but in their order?"""
    path = scratch() / "log.txt"

    def f(x):
        nap()
        with path.open("a") as log:
            log.write(f"{x};")
        return x

    return Case(f, range(130), left=path.read_text)


@case("files", effect=True)
def seek_and_read():
    """Reads only; but a position is shared, by forked processes as well."""
    path = scratch() / "data.bin"
    path.write_bytes(bytes(i % 256 for i in range(150 * 64)))
    data = path.open("rb", buffering=0)

    def f(x):
        compute()
        data.seek(x * 64)
        return data.read(4).hex()

    return Case(f, range(150), left=data.tell)


@case("files", effect=True)
def counter_in_a_file():
    """Read, add one, write back: run numbers."""
    path = scratch() / "counter.json"
    path.write_text('{"run": 0}')

    def f(x):
        compute()
        run = json.loads(path.read_text())["run"] + 1
        path.write_text(json.dumps({"run": run}))
        return f"run {run} for {x}"

    return Case(f, range(150), left=path.read_text)


@case("files", effect=True)
def next_free_number_in_a_folder():
    """How many files there are decides the name of the next."""
    folder = scratch()

    def f(x):
        nap()
        name = f"run-{len(os.listdir(folder)):03d}"
        (folder / name).write_text(str(x))
        return name

    left = lambda: [(p.name, p.read_text()) for p in sorted(folder.iterdir())]  # noqa: E731
    return Case(f, range(125), left=left)


@case("files", effect=True)
def claimed_by_exclusive_creation():
    """Who comes first gets it: mode "x" and FileExistsError."""
    folder = scratch()

    def f(x):
        compute()
        try:
            with (folder / str(x * x % 61)).open("x") as claim:
                claim.write(str(x))
        except FileExistsError as error:
            return os.path.basename(error.filename)
        return "mine"

    left = lambda: sorted((p.name, p.read_text()) for p in folder.iterdir())  # noqa: E731
    return Case(f, range(150), left=left)


@case("files", effect=True)
def inbox_emptied():
    """Files are moved from one folder to another; the function tells how many wait."""
    root = scratch()
    (root / "in").mkdir()
    (root / "done").mkdir()
    for i in range(150):
        (root / "in" / str(i)).touch()

    def f(x):
        compute()
        os.replace(root / "in" / str(x), root / "done" / str(x % 100))
        return len(os.listdir(root / "in"))

    return Case(f, range(150), left=lambda: len(os.listdir(root / "done")))


@case("files", effect=True)
def link_to_the_latest():
    """The last one to finish is the latest; in a loop that is the last item."""
    folder = scratch()
    latest = folder / "latest"

    def f(x):
        nap()
        spare = folder / f"tmp{x}"
        spare.symlink_to(f"result-{x}")
        os.replace(spare, latest)
        return os.readlink(latest)

    return Case(f, range(130), left=lambda: os.readlink(latest))


@case("files", effect=True)
def shelf_with_a_diary():
    """shelve: a dict on disk, its index in this process."""
    shelf = shelve.Shelf(dbm.dumb.open(os.fspath(scratch() / "shelf"), "c"), writeback=True)  # noqa: SIM115

    def f(x):
        compute()
        shelf.setdefault(f"k{x % 8}", []).append(x)
        return len(shelf[f"k{x % 8}"])

    def left():
        entries = sorted(shelf.items())
        shelf.close()
        return entries

    return Case(f, range(150), left=left)


@case("files", effect=True)
def spooled_scratch_file():
    """A temporary file in memory that goes to disk at some size."""
    spool = tempfile.SpooledTemporaryFile(max_size=300, mode="w+")  # noqa: SIM115

    def f(x):
        release()
        spool.write(f"{x},")
        return spool.tell()

    def left():
        spool.seek(0)
        return spool.read()

    return Case(f, range(150), left=left)


@case("files", effect=True)
def pipe_filled_for_the_caller():
    """os.write to a pipe, read afterwards by whoever called: order is all."""
    reading, writing = os.pipe()

    def f(x):
        nap()
        return os.write(writing, b"%d " % x)

    def left():
        os.close(writing)
        with os.fdopen(reading) as lines:
            return lines.read()

    return Case(f, range(130), left=left)


@case("files", effect=True)
def fileinput_remembers_where_it_is():
    """fileinput.input() is one global object of its module; so are lineno() and filename()."""
    folder = scratch()
    paths = [folder / name for name in ("a", "b", "c")]
    for path in paths:
        path.write_text("".join(f"{path.name}{i}\n" for i in range(50)))
    fileinput.close()  # that of a round before
    lines = fileinput.input(paths)  # noqa: SIM115

    def f(x):
        compute()
        line = lines.readline().strip()
        return line, fileinput.lineno(), fileinput.filelineno(), x

    return Case(f, range(145), left=lambda: (fileinput.lineno(), lines.readline()))


@case("files", effect=True)
def output_is_the_next_ones_input():
    """A cache of results in files: item x needs what item x // 2 has written."""
    folder = scratch()
    (folder / "0").write_text("1")

    def f(x):
        compute()
        value = (int((folder / str(x // 2)).read_text()) * 3 + x) % 1009
        (folder / str(x)).write_text(str(value))
        return value

    return Case(f, range(1, 151), left=lambda: len(os.listdir(folder)))
