"""Functions of libraries without effects, which run in parallel; written before the rules."""

from __future__ import annotations

import copy
import datetime
import string
import zoneinfo
from typing import Any

from case import Case, case, compute

N = 120


@case("library", effect=False)
def fresh_template_is_rendered() -> Case:
    """A template of Jinja that was made before."""
    import jinja2

    template = jinja2.Environment(autoescape=True).from_string(
        "{% for n in rows %}{{ n }},{% endfor %}"
    )

    def work(item: int) -> str:
        compute(item)
        return template.render(rows=range(item))

    return Case(work, range(N))


@case("library", effect=False)
def fresh_yaml_is_read() -> Case:
    """Texts are read by PyYAML."""
    import yaml

    def work(item: int) -> Any:
        return yaml.safe_load(f"a: {item}\nb: [1, 2, {{c: d}}]\n" * 1 + f"e: {compute(item)}\n")

    return Case(work, range(N))


@case("library", effect=False)
def fresh_messages_are_packed() -> Case:
    """msgpack there and back."""
    import msgpack

    def work(item: int) -> Any:
        return msgpack.unpackb(msgpack.packb({"n": item, "v": compute(item)}))

    return Case(work, range(N))


@case("library", effect=False)
def fresh_dates_are_understood() -> Case:
    """Texts of dates by dateutil."""
    from dateutil import parser

    def work(item: int) -> str:
        compute(item)
        return str(parser.parse(f"{item % 28 + 1} March 2024 10:{item % 60:02}"))

    return Case(work, range(N))


@case("library", effect=False)
def fresh_model_only_predicts() -> Case:
    """A fitted model of scikit-learn is asked."""
    import numpy as np
    from sklearn.linear_model import LinearRegression

    rows = np.arange(60.0).reshape(-1, 2)
    model = LinearRegression().fit(rows, rows.sum(axis=1))

    def work(item: int) -> float:
        compute(item)
        return round(float(model.predict([[item, 1.0]])[0]), 6)

    return Case(work, range(N))


@case("library", effect=False)
def fresh_model_of_each_item() -> Case:
    """A copy of a model is fitted for each item."""
    import numpy as np
    from sklearn.base import clone
    from sklearn.linear_model import Ridge

    rows, model = np.arange(60.0).reshape(-1, 2), Ridge()

    def work(item: int) -> float:
        compute(item)
        return round(float(clone(model).fit(rows, rows[:, 0] * item).coef_[0]), 6)

    return Case(work, range(N))


@case("library", effect=False)
def fresh_sparse_matrix_of_its_own() -> Case:
    """A sparse matrix is made, filled and summed."""
    import scipy.sparse

    def work(item: int) -> float:
        compute(item)
        matrix = scipy.sparse.lil_matrix((9, 9))
        matrix[item % 9, 2] = item
        return float(matrix.tocsr().sum())

    return Case(work, range(N))


@case("library", effect=False)
def fresh_sorted_list_of_its_own() -> Case:
    """A SortedList that the item has made."""
    from sortedcontainers import SortedList

    def work(item: int) -> int:
        ranks = SortedList()
        for number in range(40):
            ranks.add(number * item % 17)
        compute(item)
        return int(ranks[7])

    return Case(work, range(N))


@case("library", effect=False)
def fresh_markdown_is_rendered() -> Case:
    """A parser of the module renders texts."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt()

    def work(item: int) -> str:
        compute(item)
        return parser.render(f"# {item}\n\n*{item}*")

    return Case(work, range(N))


@case("library", effect=False)
def fresh_soup_of_each_page() -> Case:
    """Each page is parsed and searched."""
    import bs4

    def work(item: int) -> str:
        compute(item)
        soup = bs4.BeautifulSoup(f"<p><a href='/{item}'>x</a></p>", "html.parser")
        return str(soup.find("a")["href"])  # type: ignore[index]

    return Case(work, range(N))


@case("library", effect=False)
def fresh_frame_is_read() -> Case:
    """A frame of the caller is filtered and summed."""
    import pandas as pd

    frame = pd.DataFrame({"n": range(200), "kind": ["a", "b"] * 100})

    def work(item: int) -> int:
        compute(item)
        return int(frame[(frame["n"] > item) & (frame["kind"] == "a")]["n"].sum())

    return Case(work, range(N))


@case("library", effect=False)
def fresh_objects_of_attrs() -> Case:
    """Objects of attrs are made and evolved."""
    import attrs

    @attrs.define
    class Point:
        x: int
        y: int = 0

    def work(item: int) -> int:
        return attrs.evolve(Point(item), y=compute(item)).y

    return Case(work, range(N))


@case("library", effect=False)
def fresh_schema_is_checked() -> Case:
    """Items are checked against a schema."""
    import jsonschema

    check = jsonschema.Draft202012Validator({"type": "object", "required": ["n"]})

    def work(item: int) -> bool:
        compute(item)
        return bool(check.is_valid({"n": item} if item % 3 else {}))

    return Case(work, range(N))


@case("library", effect=False)
def fresh_code_is_coloured() -> Case:
    """Pygments colours a line."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    def work(item: int) -> str:
        compute(item)
        return highlight(f"x = {item}", PythonLexer(), HtmlFormatter())

    return Case(work, range(N))


@case("objects", effect=False)
def fresh_times_in_zones() -> Case:
    """Times are moved between zones."""
    paris, tokyo = zoneinfo.ZoneInfo("Europe/Paris"), zoneinfo.ZoneInfo("Asia/Tokyo")

    def work(item: int) -> str:
        compute(item)
        return str(datetime.datetime(2024, 1, 1, item % 24, tzinfo=paris).astimezone(tokyo))

    return Case(work, range(N))


@case("objects", effect=False)
def fresh_configuration_is_copied() -> Case:
    """A nested table is copied, changed and used."""
    settings = {"a": {"b": [1, 2, 3]}, "name": string.Template("$n items")}

    def work(item: int) -> str:
        mine: Any = copy.deepcopy(settings)
        mine["a"]["b"].append(compute(item))
        return str(len(mine["a"]["b"])) + str(mine["name"].substitute(n=item))

    return Case(work, range(N))
