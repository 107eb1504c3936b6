"""Objects and modules of installed libraries that items share; written before the rules were read."""

from __future__ import annotations

import io
import itertools
from typing import Any

from case import Case, case, compute

RARE = {37, 58, 91}
N = 120


@case("library")
def fresh_spans_of_a_tracer() -> Case:
    """Spans of OpenTelemetry end in an exporter that keeps them in memory."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("orders")

    def work(item: int) -> int:
        with tracer.start_as_current_span(f"order {item}"):
            return compute(item)

    return Case(work, range(N), left=lambda: [span.name for span in kept.get_finished_spans()])


@case("library")
def fresh_requests_counted_by_a_meter() -> Case:
    """A counter of OpenTelemetry is read at the end."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    counter = MeterProvider([reader], shutdown_on_exit=False).get_meter("shop").create_counter("n")

    def work(item: int) -> int:
        counter.add(1)
        return compute(item)

    def left() -> Any:
        data = reader.get_metrics_data()
        return data and [
            point.value
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
        ]

    return Case(work, range(N), left=left)


@case("library")
def fresh_model_fitted_step_by_step() -> Case:
    """A classifier learns each batch by partial_fit, and says what it knows."""
    import numpy as np
    from sklearn.linear_model import SGDClassifier

    model = SGDClassifier(random_state=0)
    rng = np.random.default_rng(5)
    batches = [(rng.normal(size=(20, 3)), np.arange(20) % 2) for _ in range(60)]

    def work(batch: Any) -> float:
        rows, labels = batch
        model.partial_fit(rows, labels, classes=[0, 1])
        compute()
        return round(float(model.coef_.sum()), 9)

    return Case(work, batches, left=lambda: [round(one, 9) for one in model.coef_[0].tolist()])


@case("library")
def fresh_one_model_for_all_series() -> Case:
    """One model object is fitted anew for each item; the last fit stays in it."""
    import numpy as np
    from sklearn.linear_model import LinearRegression

    model = LinearRegression()
    rows = np.arange(30.0).reshape(-1, 1)

    def work(item: int) -> float:
        model.fit(rows, rows[:, 0] * item)
        compute()
        return round(float(model.predict([[2.0]])[0]), 6)

    return Case(work, range(N), left=lambda: round(float(model.coef_[0]), 6))


@case("library")
def fresh_folds_by_a_shared_state() -> Case:
    """Folds of scikit-learn draw from the state that they were given."""
    import numpy as np
    from sklearn.model_selection import KFold

    folds = KFold(3, shuffle=True, random_state=np.random.RandomState(3))
    rows = np.arange(12)

    def work(item: int) -> list[int]:
        compute(item)
        return [int(test[0]) for _, test in folds.split(rows)]

    return Case(work, range(N))


@case("library")
def fresh_bar_of_progress() -> Case:
    """The function moves a bar of tqdm that the caller holds."""
    from tqdm import tqdm

    bar = tqdm(total=N, file=io.StringIO())

    def work(item: int) -> int:
        bar.update(1)
        return compute(item)

    return Case(work, range(N), left=lambda: bar.n)


@case("library")
def fresh_files_in_memory() -> Case:
    """The memory file system of fsspec keeps its files in its class."""
    import fsspec

    files = fsspec.filesystem("memory")

    def work(item: int) -> int:
        files.pipe(f"/fresh/{item}", b"x" * item)
        return compute(item)

    return Case(work, range(N), left=lambda: len(files.find("/fresh")))


@case("library")
def fresh_file_in_memory_by_address() -> Case:
    """Rare items open an address of the memory file system by its name."""
    import fsspec

    def work(item: int) -> int:
        if item in RARE:
            with fsspec.open(f"memory://fresh-rare/{item}", "wb") as file:
                file.write(b"x")
        return compute(item)

    return Case(work, range(N), left=lambda: fsspec.filesystem("memory").find("/fresh-rare"))


@case("library")
def fresh_sorted_list_grows() -> Case:
    """Rare items are added to a SortedList; each result is a rank in it."""
    from sortedcontainers import SortedList

    ranks = SortedList(range(0, 500, 7))

    def work(item: int) -> int:
        compute(item)
        if item in RARE:
            ranks.add(item)
        return int(ranks.bisect_left(item * 3))

    return Case(work, range(N), left=lambda: list(ranks))


@case("library")
def fresh_messages_fed_to_an_unpacker() -> Case:
    """An unpacker of msgpack gets pieces, and gives what is whole."""
    import msgpack

    unpacker = msgpack.Unpacker()
    stream = b"".join(msgpack.packb({"n": n, "text": "x" * (n % 9)}) for n in range(80))
    pieces = [stream[at : at + 11] for at in range(0, len(stream), 11)]

    def work(piece: bytes) -> list[Any]:
        compute()
        unpacker.feed(piece)
        return list(unpacker)

    return Case(work, pieces)


@case("library")
def fresh_constructor_of_yaml() -> Case:
    """A rare item teaches the loader of PyYAML a tag; later items can read it."""
    import yaml

    def work(item: int) -> str:
        compute(item)
        if item == 37:
            yaml.add_constructor("!twice", lambda loader, node: node.value * 2, yaml.SafeLoader)
        try:
            return str(yaml.safe_load(f"!twice a{item}"))
        except yaml.YAMLError as error:
            return type(error).__name__

    return Case(work, range(N), left=lambda: "!twice" in yaml.SafeLoader.yaml_constructors)


@case("library")
def fresh_observers_of_traits() -> Case:
    """A trait of traitlets is set, and an observer of it keeps what came."""
    import traitlets

    class Progress(traitlets.HasTraits):  # type: ignore[misc]
        done = traitlets.Int(0)

    progress, heard = Progress(), []
    progress.observe(lambda change: heard.append(change["new"]), "done")

    def work(item: int) -> int:
        compute(item)
        progress.done = item
        return item

    return Case(work, range(N), left=lambda: (progress.done, heard))


@case("library")
def fresh_plugins_of_pluggy() -> Case:
    """Rare items register a plugin; results come from all that are there."""
    import pluggy

    spec, mark = pluggy.HookspecMarker("fresh"), pluggy.HookimplMarker("fresh")

    class Spec:
        @spec
        def name(self) -> str: ...

    class Plugin:
        def __init__(self, number: int) -> None:
            self.number = number

        @mark
        def name(self) -> str:
            return f"plugin {self.number}"

    manager = pluggy.PluginManager("fresh")
    manager.add_hookspecs(Spec)

    def work(item: int) -> list[str]:
        compute(item)
        if item in RARE:
            manager.register(Plugin(item))
        return list(manager.hook.name())

    return Case(work, range(N), left=lambda: len(manager.get_plugins()))


@case("library")
def fresh_rule_of_a_markdown_parser() -> Case:
    """A rare item switches a rule of the shared parser on."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("zero")

    def work(item: int) -> str:
        compute(item)
        if item == 58:
            parser.enable("emphasis")
        return parser.render(f"*{item}*")

    return Case(work, range(N))


@case("library")
def fresh_cycler_of_a_template() -> Case:
    """A template of Jinja gets a cycler that the caller has made."""
    import jinja2
    from jinja2.utils import Cycler

    rows = Cycler("odd", "even", "last")
    template = jinja2.Environment(autoescape=True).from_string("{{ rows.next() }} {{ item }}")

    def work(item: int) -> str:
        compute(item)
        return template.render(rows=rows, item=item)

    return Case(work, range(N), left=lambda: rows.current)


@case("library")
def fresh_global_that_a_template_changes() -> Case:
    """A template appends to a list among the globals of its environment."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, extensions=["jinja2.ext.do"])
    environment.globals["seen"] = seen = []
    template = environment.from_string("{% do seen.append(item) %}{{ seen | length }}")

    def work(item: int) -> str:
        compute(item)
        return template.render(item=item)

    return Case(work, range(N), left=lambda: seen)


@case("library")
def fresh_lines_of_a_plot() -> Case:
    """Each item adds a line to the axes of the caller's figure."""
    from matplotlib.figure import Figure

    axes = Figure().subplots()

    def work(item: int) -> int:
        compute(item)
        if item % 10 == 7:
            axes.plot([0, item])
        return item

    return Case(work, range(N), left=lambda: [line.get_ydata()[1] for line in axes.lines])


@case("library")
def fresh_setting_of_matplotlib() -> Case:
    """A rare item sets a size in rcParams, as a style of one report; it stays."""
    import matplotlib as mpl

    def work(item: int) -> float:
        compute(item)
        if item == 37:
            mpl.rcParams["font.size"] = 33.0
        return float(mpl.rcParams["font.size"])

    return Case(work, range(N), left=lambda: mpl.rcParams["font.size"])


@case("library")
def fresh_configuration_of_scikit_learn() -> Case:
    """A rare item switches the checks of scikit-learn off."""
    import sklearn

    def work(item: int) -> bool:
        compute(item)
        if item == 58:
            sklearn.set_config(assume_finite=True)
        return bool(sklearn.get_config()["assume_finite"])

    return Case(work, range(N), left=lambda: sklearn.get_config()["assume_finite"])


@case("library")
def fresh_cell_of_a_sparse_matrix() -> Case:
    """Rows of a sparse matrix of SciPy are filled in."""
    import scipy.sparse

    matrix = scipy.sparse.lil_matrix((N, 3))

    def work(item: int) -> int:
        compute(item)
        matrix[item, item % 3] = item
        return item

    return Case(work, range(N), left=lambda: matrix.sum())


@case("library")
def fresh_words_in_a_history_of_prompts() -> Case:
    """Lines go to a history of prompt_toolkit."""
    from prompt_toolkit.history import InMemoryHistory

    history = InMemoryHistory()

    def work(item: int) -> int:
        compute(item)
        if item in RARE:
            history.append_string(f"run {item}")
        return item

    return Case(work, range(N), left=history.get_strings)


@case("library")
def fresh_table_of_rich() -> Case:
    """Rows of a table of rich are added by the items."""
    from rich.table import Table

    table = Table("item", "value")

    def work(item: int) -> int:
        value = compute(item)
        table.add_row(str(item), str(value))
        return value

    return Case(work, range(N), left=lambda: table.row_count)


@case("library")
def fresh_soup_that_loses_tags() -> Case:
    """Items take tags out of one document of Beautiful Soup."""
    import bs4

    soup = bs4.BeautifulSoup("".join(f"<p id='n{n}'>{n}</p>" for n in range(N)), "html.parser")

    def work(item: int) -> int:
        compute(item)
        found = soup.find(id=f"n{item}")
        if found is not None and item % 3 == 0:
            found.decompose()
        return len(soup.find_all("p"))

    return Case(work, range(N), left=lambda: len(str(soup)))


@case("library")
def fresh_memo_of_toolz_with_its_table() -> Case:
    """The table of a memo of toolz is the caller's, who reads it."""
    import toolz

    table: dict[Any, int] = {}

    @toolz.memoize(cache=table)
    def value(key: int) -> int:
        return compute(key)

    return Case(lambda item: value(item // 2), range(N), left=lambda: sorted(table))


@case("library")
def fresh_peeked_iterator() -> Case:
    """A peekable iterator of more_itertools is shared."""
    import more_itertools

    numbers = more_itertools.peekable(itertools.count(10))

    def work(item: int) -> int:
        compute(item)
        if numbers.peek() % 3 == item % 3:
            return int(next(numbers))
        return -1

    return Case(work, range(N), left=lambda: next(numbers))


@case("library")
def fresh_pixels_of_a_picture() -> Case:
    """Pixels of one picture of Pillow are set."""
    from PIL import Image

    picture = Image.new("L", (N, 1))

    def work(item: int) -> int:
        compute(item)
        picture.putpixel((item, 0), item)
        return item

    return Case(work, range(N), left=lambda: sum(picture.tobytes()))


@case("library")
def fresh_drawing_on_a_picture() -> Case:
    """Rare items draw on the caller's picture through its pen."""
    from PIL import Image, ImageDraw

    picture = Image.new("L", (N, 4))
    pen = ImageDraw.Draw(picture)

    def work(item: int) -> int:
        compute(item)
        if item in RARE:
            pen.line((item, 0, item, 3), fill=item)
        return item

    return Case(work, range(N), left=lambda: sum(picture.tobytes()))


@case("library")
def fresh_store_of_zict() -> Case:
    """A cache of zict with few places throws the oldest out, which is told."""
    import zict

    gone: list[int] = []
    cache = zict.LRU(5, {}, on_evict=lambda key, value: gone.append(key))

    def work(item: int) -> int:
        value = compute(item)
        cache[item % 17] = value
        return len(cache)

    return Case(work, range(N), left=lambda: gone)


@case("library")
def fresh_column_of_a_frame() -> Case:
    """Cells of a frame are set by ``at``."""
    import pandas as pd

    frame = pd.DataFrame({"n": range(N), "done": [False] * N})

    def work(item: int) -> int:
        compute(item)
        if item % 20 == 19:
            frame.at[item, "done"] = True
        return item

    return Case(work, range(N), left=lambda: int(frame["done"].sum()))


@case("library")
def fresh_attributes_of_a_frame() -> Case:
    """A rare item leaves a note in the attributes of a frame."""
    import pandas as pd

    frame = pd.DataFrame({"n": range(N)})

    def work(item: int) -> int:
        compute(item)
        if item in RARE:
            frame.attrs.setdefault("odd", []).append(item)
        return int(frame["n"].iloc[item])

    return Case(work, range(N), left=lambda: frame.attrs)


@case("library")
def fresh_rule_of_dates_that_is_cached() -> Case:
    """A rule of dateutil that remembers is only read: nothing differs."""
    import datetime

    from dateutil.rrule import DAILY, rrule

    days = rrule(DAILY, dtstart=datetime.datetime(2024, 1, 1), count=400, cache=True)

    def work(item: int) -> str:
        compute(item)
        return str(days[item])

    return Case(work, range(N), left=lambda: len(list(days)))


@case("library")
def fresh_directive_of_docutils() -> Case:
    """A rare item registers a role of docutils, which later items use."""
    from docutils.parsers.rst import roles

    def role(*arguments: Any, **more: Any) -> tuple[list[Any], list[Any]]:
        return [], []

    def work(item: int) -> bool:
        compute(item)
        if item == 58:
            roles.register_local_role("fresh", role)
        return "fresh" in roles._roles

    return Case(work, range(N), left=lambda: "fresh" in roles._roles)


@case("library")
def fresh_conditions_of_a_solver() -> Case:
    """An object made in C++ gets a condition from each item; it shows nothing of its state."""
    import kiwisolver

    solver, width = kiwisolver.Solver(), kiwisolver.Variable("width")

    def work(item: int) -> int:
        compute(item)
        solver.addConstraint(width >= item)
        return item

    def left() -> float:
        solver.updateVariables()
        return float(width.value())

    return Case(work, range(N), left=left)


@case("library")
def fresh_text_set_in_a_font() -> Case:
    """A font of matplotlib, made in C++, keeps the last text that was set."""
    import os

    import matplotlib as mpl
    from matplotlib.ft2font import FT2Font

    font = FT2Font(os.path.join(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"))

    def work(item: int) -> int:
        compute(item)
        if item in RARE:
            font.set_text("w" * item)
        return item

    return Case(work, range(N), left=font.get_width_height)


@case("library")
def fresh_digest_of_a_library() -> Case:
    """A digest of the package cryptography, made in Rust, is fed by all items."""
    from cryptography.hazmat.primitives import hashes

    digest = hashes.Hash(hashes.SHA256())

    def work(item: int) -> int:
        compute(item)
        digest.update(b"%d" % item)
        return item

    return Case(work, range(N), left=lambda: digest.copy().finalize().hex())
