"""Every name that the documentation promises is at its address, and the errors it promises are public."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

import amorsize

PINNED = {
    "amorsize": (
        "execute stream optimize aexecute astream star item_rng Settings Tuner Plan Executor "
        "register_joblib_backend WorkerDied ItemError AmorsizeWarning AmorsizeError OptionError "
        "DifferenceWarning Rate RetryAfter NotRun RunOptions Results AsyncResults "
        "CheckpointError OptionTypeError UnportableError __version__"
    ),
    "amorsize.ml_prediction": "KNNRegressor",
    "amorsize.ml_pruning": (
        "PrototypeSelector PrunedKNNRegressor prune_training_data MIN_TOTAL_SAMPLES_TO_KEEP "
        "MIN_SAMPLES_FOR_PRUNING MIN_SAMPLES_PER_CLUSTER DEFAULT_SIMILARITY_THRESHOLD"
    ),
    "amorsize.history": "open_history",
    "amorsize.validation": "run_validation",
}


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module in PINNED for name in PINNED[module].split()]
)
def test_pinned_names_are_at_their_address(module: str, name: str) -> None:
    assert getattr(import_module(module), name) is not None


def test_what_is_public_is_listed_and_nothing_else() -> None:
    assert set(amorsize.__all__) == set(PINNED["amorsize"].split())


def test_a_wrong_option_is_caught_by_the_public_error() -> None:
    with pytest.raises(amorsize.OptionError, match="n_jobs=0") as caught:
        amorsize.execute(abs, [1], n_jobs=0)
    assert isinstance(caught.value, ValueError) and caught.value.name == "n_jobs"
    with pytest.raises(amorsize.OptionError) as caught:
        amorsize.execute(abs, [1], n_jobs="many")
    assert isinstance(caught.value, amorsize.OptionTypeError)
    assert isinstance(caught.value, TypeError)


def test_a_misspelt_option_names_the_one_that_is_meant() -> None:
    misspelt: dict[str, Any] = {"retrys": 3}
    with pytest.raises(TypeError, match=r"no option 'retrys' \(do you mean 'retries'\?\)"):
        amorsize.execute(abs, [1], **misspelt)
    for name, way in (
        ("trace", r"write amorsize\.Tuner\(trace="),
        ("explore", r"write amorsize\.Tuner\(amorsize\.Settings\(explore="),
        ("ordered", "stream and astream have it"),
    ):
        with pytest.raises(TypeError, match=f"no option '{name}' \\({way}"):
            amorsize.execute(abs, [1], **{name: 1})  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"no option 'colour'; known"):
        amorsize.execute(abs, [1], colour=3)  # type: ignore[call-overload]


def test_a_memory_limit_for_a_function_that_keeps_what_it_sees_names_the_way_out() -> None:
    seen: list[int] = []

    def kept(number: int) -> int:
        seen.append(number)
        return number

    with pytest.raises(amorsize.OptionError, match="effects='ignore'"):
        amorsize.execute(kept, range(3), memory_limit="1GiB")
    assert amorsize.execute(kept, range(3), memory_limit="1GiB", effects="ignore") == [0, 1, 2]


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'exekute'"):
        _ = amorsize.exekute  # type: ignore[attr-defined]


def test_help_tells_of_every_option() -> None:
    """``effects`` was missing."""
    told = amorsize.execute.__doc__ or ""
    options = {"on_error", *amorsize.RunOptions.__annotations__}
    assert {name for name in options if name not in told} == set()
