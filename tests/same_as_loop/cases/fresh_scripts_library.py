"""Functions that change arrays, frames, models and objects of libraries; before the rules."""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import Any

from case import Case, case, compute

N = 120


@case("numpy")
def script_array_grows_in_place() -> Case:
    """``resize`` of an array of the caller."""
    import numpy as np

    found = np.zeros(0, dtype=int)

    def work(item: int) -> int:
        found.resize(found.size + 1, refcheck=False)
        found[-1] = item
        return compute(item)

    return Case(work, range(N), left=found.tolist)


@case("numpy")
def script_made_read_only_on_the_way() -> Case:
    """Some item makes an array read-only, and those after it see that."""
    import numpy as np

    shared = np.arange(8.0)

    def work(item: int) -> bool:
        compute(item)
        if item == 66:
            shared.setflags(write=False)
        return bool(shared.flags.writeable)

    return Case(work, range(N), left=lambda: shared.flags.writeable)


@case("numpy")
def script_mask_that_grows() -> Case:
    """Masked arrays: what was used is masked."""
    import numpy as np

    pool = np.ma.array(np.arange(N) * 37 % 101, mask=np.zeros(N, dtype=bool))

    def work(item: int) -> int:
        compute(item)
        place = int(pool.argmin())
        pool[place] = np.ma.masked
        return place

    return Case(work, range(N), left=lambda: int(pool.mask.sum()))


@case("numpy")
def script_field_of_a_record() -> Case:
    """A field of one record of a structured array."""
    import numpy as np

    table = np.zeros(5, dtype=[("n", int), ("last", int)])

    def work(item: int) -> int:
        table["n"][item % 5] += 1
        table[item % 5]["last"] = item
        return compute(item) + int(table["n"].sum())

    return Case(work, range(N), left=table.tolist)


@case("numpy")
def script_function_made_universal() -> Case:
    """``frompyfunc`` of a method that appends."""
    import numpy as np

    seen: list[int] = []
    note = np.frompyfunc(seen.append, 1, 1)

    def work(item: int) -> int:
        note(np.arange(item % 4))
        return compute(item)

    return Case(work, range(N), left=lambda: seen)


@case("numpy")
def script_view_over_bytes() -> Case:
    """An array over a bytearray of the caller is shifted."""
    import numpy as np

    raw = bytearray(16)

    def work(item: int) -> int:
        window = np.frombuffer(raw, dtype=np.uint8)
        window[:-1] = window[1:].copy()
        window[-1] = item
        return compute(item) + int(window.sum())

    return Case(work, range(N), left=lambda: bytes(raw))


@case("numpy")
def script_errors_of_special_functions() -> Case:
    """A rare item sets how SciPy's special functions report."""
    import scipy.special as special

    def work(item: int) -> str:
        compute(item)
        if item == 75:
            special.seterr(singular="raise")
        try:
            return str(special.gammaln(0.0))
        except special.SpecialFunctionError as error:
            return type(error).__name__

    return Case(work, range(N), left=lambda: special.geterr()["singular"])


@case("pandas")
def script_row_put_at_the_end() -> Case:
    """``frame.loc[len(frame)] = row``."""
    import pandas as pd

    frame = pd.DataFrame({"item": pd.Series(dtype=int), "value": pd.Series(dtype=int)})

    def work(item: int) -> int:
        value = compute(item)
        frame.loc[len(frame)] = [item, value]
        return value

    return Case(work, range(60), left=lambda: frame.values.tolist())


@case("pandas")
def script_column_taken_out() -> Case:
    """Rare items take a column out."""
    import pandas as pd

    frame = pd.DataFrame({f"c{n}": [n] for n in range(8)})

    def work(item: int) -> int:
        compute(item)
        if item % 30 == 29:
            frame.pop(frame.columns[0])
        return len(frame.columns)

    return Case(work, range(N), left=lambda: list(frame.columns))


@case("pandas")
def script_evaluated_in_place() -> Case:
    """``eval(..., inplace=True)``."""
    import pandas as pd

    frame = pd.DataFrame({"x": [1, 2, 3]})

    def work(item: int) -> int:
        compute(item)
        frame.eval("x = (x * 3) % 1009", inplace=True)
        return int(frame["x"].sum())

    return Case(work, range(60), left=lambda: frame["x"].tolist())


@case("pandas")
def script_name_of_an_index() -> Case:
    """The index gets the name of the last item."""
    import pandas as pd

    frame = pd.DataFrame({"x": [1, 2, 3]})

    def work(item: int) -> int:
        frame.index.name = f"run {item}"
        return compute(item)

    return Case(work, range(N), left=lambda: frame.index.name)


@case("pandas")
def script_rows_walked_by_all() -> Case:
    """A generator over rows that was begun by the caller."""
    import pandas as pd

    rows = pd.DataFrame({"x": range(2 * N)}).itertuples()

    def work(item: int) -> int:
        compute(item)
        return int(next(rows).x)

    return Case(work, range(N))


@case("pandas")
def script_rolling_function_that_notes() -> Case:
    """``rolling.apply`` with a function that notes."""
    import pandas as pd

    series = pd.Series(range(6))
    sums: list[float] = []

    def note(window: Any) -> float:
        sums.append(float(window.sum()))
        return float(len(sums))

    def work(item: int) -> float:
        compute(item)
        return float(series.rolling(3).apply(note).sum())

    return Case(work, range(60), left=lambda: len(sums))


@case("scipy")
def script_steps_of_a_solver() -> Case:
    """A solver of equations goes on by one step."""
    from scipy.integrate import RK45

    solver = RK45(lambda t, y: -y, 0.0, [1.0], 1000.0, max_step=0.1)

    def work(item: int) -> float:
        compute(item)
        solver.step()
        return round(float(solver.y[0]), 12)

    return Case(work, range(N), left=lambda: round(float(solver.t), 9))


@case("scipy")
def script_path_of_an_optimizer() -> Case:
    """A callback of ``minimize`` keeps all points."""
    from scipy.optimize import minimize

    path: list[float] = []

    def work(item: int) -> float:
        compute(item)
        found = minimize(
            lambda x: (x[0] - item) ** 2,
            [0.0],
            callback=lambda x: path.append(round(float(x[0]), 4)),
        )
        return round(float(found.x[0]), 3)

    return Case(work, range(60), left=lambda: path)


@case("scipy")
def script_points_added_to_a_polynomial() -> Case:
    """An interpolation gets a point more."""
    from scipy.interpolate import BarycentricInterpolator

    curve = BarycentricInterpolator([0.0, 1.0], [0.0, 1.0])

    def work(item: int) -> float:
        compute(item)
        if item % 20 == 10:
            curve.add_xi([2.0 + item / 10], [float(item % 5)])
        return round(float(curve(0.5)), 6)

    return Case(work, range(N), left=lambda: len(curve.xi))


@case("scipy")
def script_hull_that_grows() -> Case:
    """Points are added to a hull."""
    import numpy as np
    from scipy.spatial import ConvexHull

    hull = ConvexHull(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), incremental=True)

    def work(item: int) -> float:
        compute(item)
        hull.add_points(np.array([[np.cos(item) * item, np.sin(item) * item]]))
        return round(float(hull.volume), 6)

    return Case(work, range(N), left=lambda: round(float(hull.volume), 6))


@case("scipy")
def script_filter_with_its_state() -> Case:
    """A digital filter hands its state on in an object."""
    import numpy as np
    from scipy import signal

    class Filter:
        def __init__(self) -> None:
            self.b, self.a = signal.butter(2, 0.2)
            self.state = np.zeros(2)

        def __call__(self, value: float) -> float:
            out, self.state = signal.lfilter(self.b, self.a, [value], zi=self.state)
            return round(float(out[0]), 9)

    smooth = Filter()

    def work(item: int) -> float:
        return smooth(float(compute(item) % 100))

    return Case(work, range(N), left=lambda: smooth.state.round(9).tolist())


@case("models")
def script_scaler_learns_on() -> Case:
    """``partial_fit`` of a scaler."""
    import numpy as np
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()

    def work(item: int) -> float:
        compute(item)
        scaler.partial_fit(np.array([[float(item)]]))
        return round(float(scaler.mean_[0]), 6)

    return Case(work, range(N), left=lambda: int(scaler.n_samples_seen_))


@case("models")
def script_vocabulary_of_the_last_fit() -> Case:
    """``fit_transform`` of one vectorizer."""
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer()

    def work(item: int) -> int:
        compute(item)
        return int(vectorizer.fit_transform([f"word{item} common"]).sum())

    return Case(work, range(N), left=lambda: sorted(vectorizer.vocabulary_))


@case("models")
def script_parameters_set_on_the_way() -> Case:
    """``set_params`` of a model of the caller."""
    from sklearn.tree import DecisionTreeClassifier

    model = DecisionTreeClassifier()

    def work(item: int) -> int:
        if item % 40 == 39:
            model.set_params(max_depth=item)
        return compute(item) + (model.max_depth or 0)

    return Case(work, range(N), left=model.get_params)


@case("library")
def script_cookies_and_headers_of_a_session() -> Case:
    """A session of requests is given headers and cookies."""
    import requests

    session = requests.Session()

    def work(item: int) -> int:
        if item % 30 == 29:
            session.headers["X-Run"] = str(item)
            session.cookies.set(f"c{item}", str(item))
        return compute(item) + len(session.cookies)

    return Case(
        work, range(N), left=lambda: (session.headers.get("X-Run"), sorted(session.cookies.keys()))
    )


@case("library")
def script_filter_of_jinja_taught() -> Case:
    """A filter is put into an environment by a rare item, then used."""
    import jinja2

    environment = jinja2.Environment(autoescape=True)
    environment.filters["mark"] = str

    def work(item: int) -> str:
        compute(item)
        if item == 50:
            environment.filters["mark"] = lambda text: f"<{text}>"
        return environment.from_string("{{ n|mark|string }}").render(n=item)

    return Case(work, range(N))


@case("library")
def script_recorded_by_a_console() -> Case:
    """A console of rich that records what it prints."""
    from rich.console import Console

    console = Console(record=True, file=io.StringIO(), width=60)

    def work(item: int) -> int:
        value = compute(item)
        console.print("item", item)
        return value

    return Case(work, range(N), left=console.export_text)


@case("library")
def script_figures_of_pyplot() -> Case:
    """pyplot's own current figure collects lines and figures."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    def work(item: int) -> int:
        value = compute(item)
        if item % 10 == 0:
            plt.figure()
        plt.plot([0, item])
        return value

    return Case(work, range(40), left=lambda: (plt.get_fignums(), len(plt.gca().lines)))


@case("library")
def script_message_of_protobuf_grows() -> Case:
    """A repeated field of a message of the caller."""
    from google.protobuf import struct_pb2

    message = struct_pb2.ListValue()

    def work(item: int) -> int:
        message.values.add().number_value = item
        return compute(item)

    return Case(work, range(N), left=lambda: [v.number_value for v in message.values])


@case("library")
def script_stream_cipher_goes_on() -> Case:
    """An encryptor goes on with its stream."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    stream = Cipher(algorithms.AES(bytes(16)), modes.CTR(bytes(16))).encryptor()

    def work(item: int) -> str:
        compute(item)
        return stream.update(b"%08d" % item).hex()

    return Case(work, range(N))


@case("library")
def script_memory_of_cffi() -> Case:
    """A number in memory of C."""
    import cffi

    ffi = cffi.FFI()
    total = ffi.new("long *", 0)

    def work(item: int) -> int:
        total[0] = total[0] * 3 % 10007 + item
        return compute(item) + int(total[0])

    return Case(work, range(N), left=lambda: int(total[0]))


@case("library")
def script_action_of_a_grammar() -> Case:
    """A grammar of pyparsing whose action notes what it read."""
    import pyparsing as pp

    words: list[str] = []
    word = pp.Word(pp.alphanums)
    word.set_parse_action(lambda tokens: words.append(tokens[0]))
    grammar = pp.DelimitedList(word)

    def work(item: int) -> int:
        grammar.parse_string(f"a{item}, b{item}")
        return compute(item)

    return Case(work, range(N), left=lambda: words)


@case("library")
def script_attrs_hook_on_set() -> Case:
    """A hook of attrs notes each attribute that is set."""
    import attrs

    log: list[Any] = []

    def note(instance: Any, attribute: Any, value: Any) -> Any:
        log.append((attribute.name, value))
        return value

    @attrs.define(on_setattr=note)
    class State:
        level: int = 0

    state = State()

    def work(item: int) -> int:
        state.level = item
        return compute(item)

    return Case(work, range(N), left=lambda: log)


@case("library")
def script_seekable_stream() -> Case:
    """An iterator of more_itertools that can go back."""
    from more_itertools import seekable

    stream = seekable(iter(range(10 * N)))

    def work(item: int) -> int:
        compute(item)
        if item % 50 == 49:
            stream.seek(0)
        return int(next(stream))

    return Case(work, range(N), left=lambda: next(stream))


@case("library")
def script_parts_appended_by_partd() -> Case:
    """partd appends bytes to keys."""
    import partd

    store = partd.Dict()

    def work(item: int) -> int:
        value = compute(item)
        store.append({f"k{item % 3}": b"%d," % item})
        return value

    return Case(work, range(N), left=lambda: store.get(["k0", "k1", "k2"]))


@case("library")
def script_setting_of_dask() -> Case:
    """A rare item sets an option of dask."""
    import dask

    def work(item: int) -> Any:
        if item == 33:
            dask.config.set({"script.level": item})
        return compute(item) * 0 + dask.config.get("script.level", 0)

    return Case(work, range(N), left=lambda: dask.config.get("script.level", 0))


@case("library")
def script_frame_of_a_moving_picture() -> Case:
    """A picture of the caller is moved to its next frame."""
    from PIL import Image

    buffer = io.BytesIO()
    pages = [Image.new("L", (2, 2), n) for n in range(20)]
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    picture = Image.open(buffer)

    def work(item: int) -> Any:
        compute(item)
        if item % 8 == 7:
            picture.seek(picture.tell() + 1)
        return picture.getpixel((0, 0))

    return Case(work, range(N), left=picture.tell)


@case("library")
def script_names_of_pygments_or_roles() -> Case:
    """A role is registered with docutils by a rare item."""
    from docutils.parsers.rst import roles

    def work(item: int) -> int:
        if item % 60 == 59:
            roles.register_local_role(f"script{item}", lambda *words: ([], []))  # type: ignore[arg-type]
        return compute(item)

    return Case(work, range(N), left=lambda: [n for n in roles._roles if n.startswith("script")])


@case("library")
def script_shared_dumper_of_yaml() -> Case:
    """Documents go into one dumper."""
    import yaml

    out = io.StringIO()
    dumper = yaml.SafeDumper(out)
    dumper.open()

    def work(item: int) -> int:
        value = compute(item)
        dumper.represent({"item": item})
        return value

    return Case(work, range(N), left=out.getvalue)


@case("library")
def script_module_of_a_library_of_ones_own() -> Case:
    """An installed package (not the user's folder) counts in its module."""
    folder = Path(tempfile.mkdtemp()) / "site-packages"
    folder.mkdir()
    (folder / "script_vendor.py").write_text(
        "_count = 0\n_cache = {}\n"
        "def number():\n    global _count\n    _count += 1\n    return _count\n"
    )
    sys.path.insert(0, str(folder))
    import script_vendor  # type: ignore[import-not-found]

    def work(item: int) -> int:
        return compute(item) * 0 + int(script_vendor.number())

    return Case(work, range(N), left=lambda: script_vendor._count)


@case("library")
def script_package_with_a_list_of_jobs() -> Case:
    """The same: an object in a package keeps jobs, for rare items."""
    folder = Path(tempfile.mkdtemp()) / "site-packages"
    folder.mkdir()
    (folder / "script_sdk.py").write_text(
        "class Client:\n    def __init__(self):\n        self._sent = []\n"
        "    def track(self, n):\n        self._sent.append(n)\n"
        "_default = Client()\n"
        "def track(n):\n    _default.track(n)\n"
    )
    sys.path.insert(0, str(folder))
    import script_sdk  # type: ignore[import-not-found]

    def work(item: int) -> int:
        if item % 45 == 44:
            script_sdk.track(item)
        return compute(item)

    return Case(work, range(N), left=lambda: script_sdk._default._sent)
