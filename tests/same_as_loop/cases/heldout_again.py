"""More of the kinds that the held-out cases found; written after the rules were mended."""

from __future__ import annotations

import collections
import contextvars
import copyreg
import ctypes
import io
import json
import pickle
import struct
import sys
import threading
import weakref
import xml.sax
from html.parser import HTMLParser
from typing import Any

import user_pipeline
from case import Case, case, nap, toil

N = 70


@case("pickling", effect=False)
def heldout_variable_read_only() -> Case:
    """A context variable that the function closes over cannot be pickled."""
    level: contextvars.ContextVar[int] = contextvars.ContextVar("heldout_again", default=3)

    def work(item: int) -> int:
        return toil(item) + level.get()

    return Case(work, range(N))


@case("pickling")
def heldout_layout_that_cannot_be_sent() -> Case:
    """A compiled layout is closed over."""
    layout = struct.Struct("<id")

    def work(item: int) -> bytes:
        return layout.pack(toil(item), item / 2)

    return Case(work, range(N))


@case("pickling")
def heldout_weak_reference_closed_over() -> Case:
    """A weak reference to something that lives."""

    class Owner:
        scale = 4

    owner = Owner()
    reference = weakref.ref(owner)

    def work(item: int) -> int:
        found = reference()
        return toil(item) * (0 if found is None else found.scale)

    return Case(work, range(N), left=lambda: owner.scale)


@case("pickling")
def heldout_object_that_refuses() -> Case:
    """An object says that it is not to be pickled."""

    class Secret:
        def __init__(self) -> None:
            self.key = 7

        def __reduce__(self) -> Any:
            raise TypeError("not to be sent")

    secret = Secret()

    def work(item: int) -> int:
        return toil(item) ^ secret.key

    return Case(work, range(N))


@case("pickling")
def heldout_object_made_at_home_only() -> Case:
    """An object is pickled well, and cannot be made again elsewhere."""
    home = id(sys)

    class Bound:
        def __init__(self, place: int) -> None:
            if place != id(sys):
                raise RuntimeError("this is another process")
            self.scale = 5

        def __reduce__(self) -> Any:
            return Bound, (home + 1,)

    bound = Bound(home)

    def work(item: int) -> int:
        return toil(item) * bound.scale

    return Case(work, range(N))


@case("pickling")
def heldout_one_item_that_cannot_be_sent() -> Case:
    """One item of many has a pointer."""

    class Row:
        def __init__(self, number: int) -> None:
            self.number, self.extra = number, None

    rows: list[Any] = [Row(number) for number in range(N)]
    rows[N - 9].extra = ctypes.c_char_p(b"x")

    def work(row: Any) -> int:
        return toil(row.number) + (row.extra is not None)

    return Case(work, rows)


@case("pickling")
def heldout_one_item_made_at_home_only() -> Case:
    """One item of many cannot be made again elsewhere."""
    home = id(sys)

    class Own:
        def __reduce__(self) -> Any:
            return made, (home,)

    def made(place: int) -> Own:
        if place != id(sys):
            raise RuntimeError("this is another process")
        return Own()

    items: list[Any] = [(number, None) for number in range(N)]
    items[N - 5] = (N - 5, Own())

    def work(item: Any) -> int:
        return toil(item[0]) + (item[1] is not None)

    return Case(work, items)


@case("library")
def heldout_decoder_class_with_a_hook() -> Case:
    """A decoder of the user's, given as a class, notes some of the objects it is shown."""
    marked: list[int] = []

    class Decoder(json.JSONDecoder):
        def __init__(self, **named: Any) -> None:
            super().__init__(object_hook=self.hook, **named)

        def hook(self, value: dict[str, int]) -> dict[str, int]:
            if value["item"] % 9 == 7:
                marked.append(value["item"])
            return value

    def work(item: int) -> int:
        toil()
        return len(json.loads(f'{{"item": {item}}}', cls=Decoder))

    return Case(work, range(N), left=lambda: marked)


@case("library")
def heldout_handler_given_to_a_parser() -> Case:
    """A handler that is new for each item notes some names outside."""
    met: list[str] = []

    class Handler(xml.sax.ContentHandler):
        def startElement(self, name: str, attrs: Any) -> None:  # noqa: N802
            if name == "rare":
                met.append(attrs["n"])

    def work(item: int) -> int:
        toil()
        inner = f'<rare n="{item}"/>' if item % 8 == 6 else "<usual/>"
        xml.sax.parseString(f"<r>{inner}</r>".encode(), Handler())
        return item

    return Case(work, range(N), left=lambda: met)


@case("library")
def heldout_parser_of_pages() -> Case:
    """A parser of the user's, made anew, counts some tags outside."""
    tags: collections.Counter[str] = collections.Counter()

    class Page(HTMLParser):
        def handle_starttag(self, tag: str, attrs: Any) -> None:
            if tag != "p":
                tags[tag] += 1

    def work(item: int) -> int:
        toil()
        page = Page()
        page.feed("<p>x</p>" + "<b>" * (item % 10 == 9))
        return item

    return Case(work, range(N), left=lambda: sorted(tags.items()))


@case("library")
def heldout_pickler_class_with_a_rule() -> Case:
    """A pickler's own rule numbers what it meets, which is seldom."""
    numbers: list[int] = []

    class Part:
        pass

    class Numbering(pickle.Pickler):
        def persistent_id(self, value: object) -> int | None:
            if type(value) is Part:
                numbers.append(len(numbers))
                return len(numbers)
            return None

    def work(item: int) -> int:
        toil()
        out = io.BytesIO()
        Numbering(out).dump(Part() if item % 11 == 10 else item)
        return len(out.getvalue())

    return Case(work, range(N), left=lambda: numbers)


@case("modules")
def heldout_import_by_name_and_set() -> Case:
    """A module is imported by name, and rare items set what it has."""
    import importlib

    user_pipeline.latest_rare = None  # type: ignore[attr-defined]

    def work(item: int) -> int:
        if item % 23 == 22:
            module = importlib.import_module("user_pipeline")
            module.latest_rare = item
        return toil(item)

    return Case(work, range(N), left=lambda: user_pipeline.latest_rare)  # type: ignore[attr-defined]


@case("modules")
def heldout_table_of_a_module_by_name() -> Case:
    """Rare items change a table of a module that is imported by name."""
    import importlib

    user_pipeline.settings().pop("rare", None)

    def work(item: int) -> int:
        if item % 23 == 22:
            importlib.import_module("user_pipeline").settings()["rare"] = item
        return toil(item)

    return Case(work, range(N), left=lambda: user_pipeline.settings().get("rare"))


@case("library", effect=False)
def heldout_encoder_without_effects() -> Case:
    """An encoder, a decoder and a class that is asked for change nothing."""

    class Encoder(json.JSONEncoder):
        def default(self, value: Any) -> Any:
            return str(value)

    class Base:
        registered = 0

    def work(item: int) -> str:
        toil()
        assert not isinstance(item, Base)
        return json.dumps({"item": item, "odd": 1j}, cls=Encoder)

    return Case(work, range(N))


@case("library", effect=False)
def heldout_handler_without_effects() -> Case:
    """A handler that is new for each item keeps what it meets."""

    class Handler(xml.sax.ContentHandler):
        def __init__(self) -> None:
            super().__init__()
            self.met: list[str] = []

        def startElement(self, name: str, attrs: Any) -> None:  # noqa: N802
            self.met.append(name)

    def work(item: int) -> int:
        toil(item)
        handler = Handler()
        xml.sax.parseString(b"<r><a/></r>", handler)
        return len(handler.met) + copyreg.__name__.count("c")

    return Case(work, range(N))


@case("threadbound")
def heldout_list_grown_in_place_on_a_thread() -> Case:
    """A list of the thread's own is grown by an operator."""
    local = threading.local()

    def work(item: int) -> int:
        try:
            seen = local.seen
        except AttributeError:
            seen = local.seen = []
        seen += [item]
        nap()
        return len(seen)

    return Case(work, range(2 * N), left=lambda: len(local.seen))


@case("threadbound")
def heldout_counter_object_of_a_thread() -> Case:
    """An object of the thread's own counts."""

    class Count:
        def __init__(self) -> None:
            self.value = 0

        def up(self) -> int:
            self.value += 1
            return self.value

    class Holder:
        def __init__(self) -> None:
            self.local = threading.local()

        def counter(self) -> Count:
            if not hasattr(self.local, "counter"):
                self.local.counter = Count()
            return self.local.counter

    holder = Holder()

    def work(item: int) -> int:
        nap()
        return holder.counter().up()

    return Case(work, range(2 * N), left=lambda: holder.counter().value)


@case("threadbound")
def heldout_seldom_counter_of_a_thread() -> Case:
    """Some items count in an attribute of the thread."""
    local = threading.local()

    def work(item: int) -> int:
        nap()
        if item % 7 == 6:
            local.seldom = getattr(local, "seldom", 0) + 1
            return local.seldom
        return 0

    return Case(work, range(2 * N), left=lambda: local.seldom)


@case("threadbound")
def heldout_largest_of_a_thread() -> Case:
    """The largest so far is kept with the thread."""
    local = threading.local()
    local.best = -1

    def work(item: int) -> int:
        nap()
        local.best = max(local.best, item * 37 % 101)
        return local.best

    return Case(work, range(2 * N), left=lambda: local.best)


@case("threadbound", effect=False)
def heldout_tool_of_a_thread() -> Case:
    """Each thread makes a tool once, and nothing changes it."""
    local = threading.local()

    class Tool:
        def __init__(self, scale: int) -> None:
            self.scale = scale

        def use(self, item: int) -> int:
            return self.scale * item

    def work(item: int) -> int:
        if not hasattr(local, "tool"):
            local.tool = Tool(3)
        nap()
        return local.tool.use(item)

    return Case(work, range(2 * N))
