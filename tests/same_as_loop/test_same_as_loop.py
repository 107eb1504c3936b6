"""``amorsize.execute`` gives what a plain loop gives, and leaves behind what it leaves.

``known_differences.txt`` names the cases that differ still, one ``case setting`` a line: a case that
differs and is not there fails, and so does one that is there and equals the loop, so that the list
only shrinks. Here one case of four runs, chosen by the hash of its name, in one of the settings, chosen
so too: all of them take an hour. ``AMORSIZE_SAME_AS_LOOP=all`` runs each case in its setting.
``python tests/same_as_loop/table.py --setting SETTING`` runs all cases in one, two at a time.
"""

from __future__ import annotations

import functools
import hashlib
import os

import harness
import pytest

SHARE = 0.95
"""Of the cases without effects, those that have to run in parallel."""

QUICK = 36
"""One case of so many is a part of the quick tests, which take at most 40 s."""


PART = 1 if os.environ.get("AMORSIZE_SAME_AS_LOOP") == "all" else 4
"""One case of so many runs here."""


@functools.cache
def ran(name: str, mode: str, setting: str) -> harness.Ran:
    """One run of a case, made once for all tests."""
    return harness.run(name, mode, setting)


def number(name: str) -> int:
    """A number that depends on the name only."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")


def setting_of(name: str) -> str:
    """The setting in which a case runs here."""
    return harness.SETTINGS[number(name) % len(harness.SETTINGS)]


CASES = [listed for listed in harness.cases() if number(listed.name) % PART == 0]
EACH = [
    pytest.param(
        listed,
        id=f"{listed.name}-{setting_of(listed.name)}",
        marks=[] if number(listed.name) % QUICK == 0 else [pytest.mark.long],
    )
    for listed in CASES
]
ALONE = [listed for listed in CASES if setting_of(listed.name) == "alone"]


@pytest.mark.timeout(150)
@pytest.mark.parametrize("listed", EACH)
def test_same_as_loop(listed: harness.Listed) -> None:
    """Results and what is left behind are the loop's; a warning counts for documented cases only."""
    setting = setting_of(listed.name)
    known = harness.known_differences().get((listed.name, setting))
    try:
        difference = harness.compare(
            listed, ran(listed.name, "loop", setting), ran(listed.name, "amorsize", setting)
        )
    except RuntimeError as error:
        difference = str(error)
    if known is None:
        assert difference is None
    elif known == "":
        assert difference is not None, "it equals the loop: take it off known_differences.txt"


SILENT_UNDER_A_LIMIT = {
    "heldout_process.heldout_first_comes_first_served",  # in the table of promises.md
    "order.first_error_of_several",  # the same
    "reader_exceptions.source_stands_right_after_the_failing_item",  # the same
    "fresh_files.fresh_folder_made_or_already_there",  # in the table of promises.md: who comes first
    "fresh_scripts_files.script_first_free_number",  # the same
    "fresh_scripts_process.script_pages_asked_of_a_server_of_ours",  # the same: servers
    "fresh_library.fresh_file_in_memory_by_address",  # the same: state within a library
    "fresh_process.fresh_numbers_of_the_library_of_c",
    "later_process.later_error_number_of_c",  # each thread has its own; nobody is told
}
"""What differs with ``timeout=`` and is not told of, now and then or always."""


@pytest.mark.long
@pytest.mark.timeout(150)
@pytest.mark.parametrize(
    "listed",
    [listed for listed in harness.cases() if number(listed.name) % (2 * PART) == 1],
    ids=lambda listed: listed.name,
)
def test_same_as_loop_under_a_limit(listed: harness.Listed) -> None:
    """With a limit on time a run is the loop's, or it says in what it is not: by a warning, or an error
    where the function needs the main thread."""
    loop = ran(listed.name, "loop", "alone")
    limited = harness.run(listed.name, "amorsize", "alone", "--timeout")
    loud = limited.results.startswith("raised ") and not loop.results.startswith("raised ")
    if not (loud or limited.differences_named or listed.name in SILENT_UNDER_A_LIMIT):
        assert harness.compare(listed, loop, limited) is None


@pytest.mark.long
@pytest.mark.timeout(60)
@pytest.mark.parametrize("listed", ALONE, ids=lambda listed: listed.name)
def test_the_loop_itself_is_deterministic(listed: harness.Listed) -> None:
    """A case on which two loops differ would be no case."""
    first, second = ran(listed.name, "loop", "alone"), harness.run(listed.name, "loop", "alone")
    assert (first.results, first.left) == (second.results, second.left)


KEPT = {
    "heldout_without.heldout_table_made_on_demand",  # a property fills an attribute once
    "heldout_without.heldout_buffer_of_a_thread",  # what is left in a threading.local is not used
}
"""Functions without effects that the rules keep in the loop: a part of all that the share allows."""


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_what_has_no_effects_runs_in_parallel() -> None:
    """Being careful costs no speed where nothing is at stake; one core runs nothing in parallel."""
    if len(os.sched_getaffinity(0)) < 2:
        return
    all_free = [one.name for one in harness.cases() if not one.effect]
    assert len(KEPT) <= (1 - SHARE) * len(all_free)
    free = [one.name for one in ALONE if not one.effect and one.name not in KEPT]
    kept = [name for name in free if (ran(name, "amorsize", "alone").workers or 0) < 2]
    share = 1 - len(kept) / len(free)
    assert share >= SHARE, f"{share:.0%} of {len(free)} ran in parallel; in the loop: {kept}"


def test_names_are_unique_and_those_of_known_differences_exist() -> None:
    """No two cases have the same name; what is listed is a case."""
    names = {one.name for one in harness.cases()}
    assert len(names) == len(harness.cases())
    listed = harness.known_differences()
    assert {name for name, _ in listed} | SILENT_UNDER_A_LIMIT <= names
    assert {setting for _, setting in listed} <= set(harness.SETTINGS)
