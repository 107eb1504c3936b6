"""What was learned corrects the model: features, residuals, neighbours."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from support.learning import MACHINE, PROFILE, a_run, choose, synthetic, wait

import amorsize
from amorsize.core.frozen import replace
from amorsize.core.model import Config
from amorsize.history.memory import MemoryHistory
from amorsize.learning.features import FEATURES, Arrays, encode, encoder
from amorsize.learning.parameters import parameters_of, tune
from amorsize.learning.predictor import Predictor
from amorsize.learning.residuals import known_residual
from amorsize.planning import policy
from amorsize.testing.history_contract import observation

pytestmark = pytest.mark.timeout(60)


def test_rows_of_a_table_equal_rows_of_records() -> None:
    history = MemoryHistory()
    ones = [replace(observation(i), outcome="done") for i in range(6)]
    history.add([*ones, observation(7)])  # a failed run is not learned from
    arrays = Arrays(history.table())
    assert arrays.X.shape == (6, len(FEATURES))
    for row, one in zip(arrays.X, ones, strict=True):
        expected = encode(one.profile, one.machine, one.config, one.items)
        assert row.tolist() == pytest.approx(expected, abs=1e-12)
        assert all(0 <= value <= 1 for value in row)
    assert arrays.y.tolist() == pytest.approx(
        [math.log(one.wall_seconds / one.model_seconds) for one in ones]
    )


def decode(row: list[float]) -> dict[str, float]:
    """The numbers behind a row of X, by name, in their units (cut to their ranges)."""
    values = {}
    for feature, share in zip(FEATURES, row, strict=True):
        if feature.transform == "log":
            values[feature.name] = feature.low * (feature.high / feature.low) ** share
        else:
            values[feature.name] = feature.low + share * (feature.high - feature.low)
    return values


def test_decode_is_the_way_back() -> None:
    numbers = decode(encode(PROFILE, MACHINE, Config("threads", 8), 1000))
    assert numbers["profile.item_seconds"] == pytest.approx(0.01)
    assert numbers["config.n_jobs"] == pytest.approx(8)
    assert numbers["items"] == pytest.approx(1000)
    assert set(numbers) == {feature.name for feature in FEATURES}


def test_rows_of_many_configurations_are_those_of_each() -> None:
    encoded = encoder(PROFILE, MACHINE, 1000)
    configs = [Config("threads", n, m) for n in (1, 8, 700) for m in (1, 3)]
    rows = [encoded(config) for config in configs]
    assert rows == [encode(PROFILE, MACHINE, config, 1000) for config in configs]


def test_own_runs_correct_the_model() -> None:
    slow = Config("threads", 4)
    residual = known_residual([a_run(slow, 3.0, 1.0), a_run(slow, 3.0, 1.0)], PROFILE)
    found = residual(slow)
    assert found is not None
    assert 0.8 * math.log(3.0) < found[0] < math.log(3.0)
    other = residual(Config("threads", 2))
    assert other is not None
    assert 0 < other[0] < found[0]


def test_runs_with_quite_other_items_do_not_count() -> None:
    run = a_run(Config("threads", 4), 3.0, 1.0)
    assert known_residual([run], replace(PROFILE, item_seconds=1.0))(Config("threads", 4)) is None


def test_newer_runs_count_more() -> None:
    config = Config("threads", 4)
    runs = [a_run(config, 2.0, 1.0), *[a_run(config, 1.0, 1.0)] * 3]
    found = known_residual(runs, PROFILE)(config)
    assert found is not None
    even = known_residual(runs[::-1], PROFILE)(config)
    assert even is not None
    assert even[0] < found[0] < math.log(2)


def test_experience_overrules_the_model() -> None:
    model = choose(None).config
    assert model.backend in ("threads", "fork")

    def worse(config: Config) -> tuple[float, float, float] | None:
        return (1.5, 0.1, 3.0) if config.backend == model.backend else None

    learned = choose(worse)
    assert learned.config.backend != model.backend
    by_backend = {one.config.backend: one.source for one in learned.candidates}
    assert by_backend[model.backend] == "history"


def test_no_experience_changes_nothing() -> None:
    assert choose(lambda config: None) == choose(None)


def test_an_untried_configuration_is_explored_only_where_it_promises_enough() -> None:
    choice = choose(None)
    known = [one.config for one in choice.candidates]
    assert policy.explore(choice, known, 1.0, 0.0) is choice
    near = policy.explore(choice, [choice.config], 1.0, 0.0)
    assert near.config != choice.config
    assert near.prediction.seconds < choice.serial_seconds


def test_a_tuner_has_a_history_of_its_own() -> None:
    history = MemoryHistory()
    tuner = amorsize.Tuner(amorsize.Settings(explore=0), history=history)
    tuner.execute(wait, [0.006] * 60)
    assert tuner.optimize(wait, [0.006] * 60).source == "history"


def test_a_tuner_without_a_history_and_one_with_that_of_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "history.sqlite"
    monkeypatch.setenv("AMORSIZE_HISTORY", str(place))
    amorsize.Tuner(history=None).execute(wait, [0.006] * 30)
    assert not place.exists()
    kept = MemoryHistory()
    settings = amorsize.Settings({"history": kept})
    amorsize.Tuner(settings, history=None).execute(wait, [0.006] * 30)
    assert not list(kept.read())
    amorsize.Tuner(settings).execute(wait, [0.006] * 30)
    assert list(kept.read()) and not place.exists()


def test_neighbours_are_asked_where_no_own_run_is() -> None:
    predictor = Predictor(synthetic().table())
    long = predictor.residual(replace(PROFILE, item_seconds=0.05), MACHINE, 1000)
    short = predictor.residual(replace(PROFILE, item_seconds=3e-4), MACHINE, 1000)
    config = Config("threads", 2)
    assert 0.5 < long(config)[0] < 0.75  # type: ignore[index]
    assert abs(short(config)[0]) < 0.1  # type: ignore[index]
    assert long(Config("fork", 2)) is None


def test_parameters_are_tuned_and_kept() -> None:
    history = synthetic()
    found = tune(history)
    assert set(found) == {"threads"}
    assert parameters_of(history) == found
    history.set_note("predictor", "{broken")
    assert parameters_of(history) == {}
