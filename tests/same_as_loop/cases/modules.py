"""State of other modules: effects in them, and values that were put into them at run time."""

from __future__ import annotations

import builtins
import importlib
import itertools
import json
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from unittest import mock

import user_plugins
import user_settings
import user_stats
from case import Case, case, compute, nap, release, toil
from user_stats import counted, section
from user_stats import hit as touch

_rounds = itertools.count(1)
"""Makers that are called twice tell the rounds apart."""


@case("modules")
def object_of_a_class_elsewhere() -> Case:
    """The loop leaves counts in an object whose class is in another file."""
    stats = user_stats.Stats()

    def work(item: int) -> int:
        value = compute(item)
        stats.record(item)
        return value

    return Case(work, range(150), left=lambda: vars(stats))


@case("modules")
def object_of_another_module() -> Case:
    """The loop leaves counts in an object that lives in another module."""
    user_stats.reset()

    def work(item: int) -> str:
        digest = release(item)
        user_stats.STATS.record(item)
        return digest

    return Case(work, range(150), left=lambda: vars(user_stats.STATS))


@case("modules")
def reader_of_a_class_elsewhere() -> Case:
    """The results are the parts of a text in turn; the loop leaves where the reader stands."""
    reader = user_stats.Reader("abcdefghij" * 100, 4)

    def work(item: int) -> str:
        compute()
        return f"{item}: {reader.part()}"

    return Case(work, range(150), left=lambda: reader.position)


@case("modules")
def counter_behind_a_function() -> Case:
    """The loop leaves a count in a global of another module, which a function there keeps."""
    user_stats.reset()

    def work(item: int) -> int:
        value = compute(item)
        touch()
        return value

    return Case(work, range(150), left=lambda: user_stats.hits)


@case("modules")
def numbers_given_out() -> Case:
    """The results are numbers that another module gives out, in order and each once."""
    user_stats.reset()

    def work(item: int) -> tuple[int, int]:
        nap()
        return item, user_stats.next_id()

    return Case(work, range(150), left=user_stats.next_id)


@case("modules")
def attribute_of_a_module() -> Case:
    """The loop leaves a count in an attribute of an imported module."""
    user_stats.reset()

    def work(item: int) -> int:
        value = compute(item)
        user_stats.hits += 1
        return value

    return Case(work, range(150), left=lambda: user_stats.hits)


@case("modules")
def decorator_from_elsewhere() -> Case:
    """The loop leaves the calls that a decorator of another module counts."""
    user_stats.reset()

    @counted
    def work(item: int) -> int:
        return compute(item)

    return Case(work, range(150), left=lambda: dict(user_stats.CALLS))


@case("modules")
def section_from_elsewhere() -> Case:
    """The loop leaves the names of the blocks that a context manager of another module saw."""
    user_stats.reset()

    def work(item: int) -> int:
        with section(f"item {item}"):
            return compute(item)

    return Case(work, range(150), left=lambda: user_stats.SECTIONS)


@case("modules")
def operator_of_a_class_elsewhere() -> Case:
    """The loop leaves lines in a journal that takes them through an overloaded operator."""
    journal = user_stats.Journal()

    def work(item: int) -> int:
        value = compute(item)
        journal << f"{item}" << f"{value}"
        return value

    return Case(work, range(150), left=lambda: journal.lines)


@case("modules")
def cache_of_another_module() -> Case:
    """The loop leaves all items in a cache that another module keeps, and tells the size of."""
    user_plugins.clear()

    def work(item: int) -> str:
        compute()
        return user_plugins.cached(item)

    return Case(work, range(150), left=user_plugins.cache_size)


@case("modules")
def import_inside_and_count() -> Case:
    """The loop leaves a count in a module that is imported in the function."""
    user_stats.reset()

    def work(item: int) -> int:
        import user_stats as statistics_of_mine

        value = compute(item)
        statistics_of_mine.STATS.count += 1
        return value

    return Case(work, range(150), left=lambda: user_stats.STATS.count)


@case("module values")
def value_set_at_run_time() -> Case:
    """The results show the rate that the program has set in a module."""
    user_settings.RATE = 5 * next(_rounds)

    def work(item: int) -> int:
        toil()
        return user_settings.price(item)

    return Case(work, range(150))


@case("module values")
def function_patched() -> Case:
    """The results come from the function that was put in the place of a module's own."""
    mock.patch("user_settings.tax", lambda amount: -amount).start()

    def work(item: int) -> float:
        toil()
        return user_settings.tax(item)

    return Case(work, range(150))


@case("module values")
def options_object_changed() -> Case:
    """The results show options that the program has set in an object of a module."""
    user_settings.options.depth = 7
    user_settings.options.label = "mine"

    def work(item: int) -> str:
        toil()
        return f"{user_settings.options.label} {item * user_settings.options.depth}"

    return Case(work, range(150))


@case("module values")
def class_attribute_set() -> Case:
    """The results are rounded to the digits that the program has set in a class."""
    user_settings.Model.digits = 3
    model = user_settings.Model()

    def work(item: int) -> float:
        toil()
        return model.price(item / 7)

    return Case(work, range(150))


@case("module values")
def method_replaced() -> Case:
    """The results come from a method that the program has put into a class."""
    user_settings.Model.price = lambda self, value: f"{value:.2f} EUR"  # type: ignore[method-assign]
    model = user_settings.Model()

    def work(item: int) -> str:
        toil()
        return model.price(item / 7)

    return Case(work, range(150))


@case("module values")
def entry_of_a_table_added() -> Case:
    """The results show an entry that the program has put into a dict of a module."""
    user_settings.TABLE["huge"] = 1000

    def work(item: int) -> int:
        toil()
        return user_settings.TABLE.get("huge", 0) + item

    return Case(work, range(150))


@case("module values")
def plugin_entered_at_run_time() -> Case:
    """The results come from a plugin that the program has entered into another module."""

    @user_plugins.plugin("mine")
    def mine(item: int) -> str:
        return f"mine {item}"

    def work(item: int) -> str:
        toil()
        return user_plugins.apply("mine", item)

    return Case(work, range(150))


@case("module values")
def module_made_at_run_time() -> Case:
    """The results come from a module that exists in memory only."""
    module = ModuleType("user_made_here")
    exec("def double(item):\n    return item * 2\n", vars(module))
    sys.modules["user_made_here"] = module

    def work(item: int) -> int:
        toil()
        import user_made_here

        return user_made_here.double(item)

    return Case(work, range(150))


def _written_module(name: str, text: str) -> Path:
    folder = tempfile.mkdtemp()
    path = Path(folder, f"{name}.py")
    path.write_text(text)
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    sys.modules.pop(name, None)
    return path


@case("module values")
def source_changed_since_it_was_imported() -> Case:
    """The results come from the code that was imported, whatever its file says now."""
    path = _written_module("user_edited", "def price(item):\n    return item + 1\n")
    module = importlib.import_module("user_edited")
    path.write_text("def price(item):\n    return 'edited ' + str(item)\n")

    def work(item: int) -> object:
        toil()
        return module.price(item)

    return Case(work, range(150))


@case("module values")
def module_reloaded() -> Case:
    """The results add what a module has gathered over a reload, which keeps old names."""
    path = _written_module("user_reloaded", "OLD = 100\n")
    module = importlib.import_module("user_reloaded")
    path.write_text("NEW = 20 + 3\n")
    importlib.reload(module)

    def work(item: int) -> int:
        toil()
        return item + module.OLD + module.NEW

    return Case(work, range(150))


@case("module values")
def module_without_its_folder() -> Case:
    """The results come from a module whose folder is no longer on the path."""
    path = _written_module("user_hidden", "def triple(item):\n    return 3 * item\n")
    module = importlib.import_module("user_hidden")
    sys.path.remove(str(path.parent))

    def work(item: int) -> int:
        toil()
        return module.triple(item)

    return Case(work, range(150))


@case("module values")
def builtin_put_in() -> Case:
    """The results come from a name that the program has put into the built-ins."""
    builtins.translated = lambda text: f"<{text}>"  # type: ignore[attr-defined]

    def work(item: int) -> str:
        toil()
        return translated(item)  # type: ignore[name-defined]  # noqa: F821

    return Case(work, range(150))


@case("module values")
def standard_library_patched() -> Case:
    """The results are written by a JSON encoder that the program has made the default."""
    json.JSONEncoder.default = lambda self, value: f"<{type(value).__name__}>"  # type: ignore

    def work(item: int) -> str:
        toil()
        return json.dumps({"item": item, "odd": {1, 2}})

    return Case(work, range(150))


RATES = {"EUR": 1.0}
CURRENCY = "EUR"


def _converted(item: int) -> str:
    toil()
    return f"{item * RATES[CURRENCY]:.1f} {CURRENCY}"


@case("module values")
def own_globals_set_late() -> Case:
    """The results show globals of the function's own module as the program has set them."""
    global CURRENCY
    RATES["USD"] = 1.25
    CURRENCY = "USD"
    return Case(_converted, range(150))


@case("module values")
def name_deleted() -> Case:
    """The results say that a name, deleted at run time, is gone from a module."""
    if hasattr(user_settings, "TABLE"):
        del user_settings.TABLE

    def work(item: int) -> str:
        toil()
        return f"{item} {hasattr(user_settings, 'TABLE')}"

    return Case(work, range(150))


@case("modules")
def lazy_constant_of_a_module() -> Case:
    """The loop leaves a constant in a module that made it on first access."""
    vars(user_settings).pop("LAZY_LIMIT", None)

    def work(item: int) -> bool:
        toil()
        return item < user_settings.LAZY_LIMIT

    return Case(work, range(150), left=lambda: "LAZY_LIMIT" in vars(user_settings))
