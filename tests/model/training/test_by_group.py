"""A night with a model per group: each group is judged by itself, and one that fails keeps what answers for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import tiny_city

from tasks.arrays import QUANTILES
from tasks.contracts import Features, FitLog, Forecaster, Prediction, Split, Tensors
from tasks.errors import ConfigError, HistoryError, ModelError
from tasks.features.tensors import MinuteFeatures
from tasks.model.architectures import initial_forecaster
from tasks.model.grouped import Grouped, GroupModel
from tasks.model.groups import Group, find_groups
from tasks.model.network_row import GroupFeatures, NetworkRows
from tasks.model.promotion.decision import Decision
from tasks.model.serving.bundle import BundledForecaster
from tasks.model.steps import judge
from tasks.model.training import by_group
from tasks.model.training.apart import FitApart, collect_fits, fit_apart
from tasks.model.training.by_group import fit_groups
from tasks.model.training.train import Trained, split_of, train
from tasks.settings.tree import FeatureSettings, Settings

CENTRE, REST = [0, 2], [1]
ORIGINS = tiny_city.AS_OF - np.arange(6, 0, -1) * np.timedelta64(95, "m")


def settings(model: str = "linear_level", groups: bool = True, **gate: Any) -> Settings:
    made = tiny_city.settings().model_dump()
    made["retrain"] |= {"model": model}
    made["gate"] |= {"baselines": ("last_known",), **gate}
    made["groups"] = {"lists": {"centre": {"stations": ["central", "museum"]}}, "least": 1} if groups else {}
    return Settings(**made)


def features(**stations: Callable[[np.ndarray], None]) -> MinuteFeatures:  # type: ignore[type-arg]
    """The tiny city, the counts of some stations changed in place."""
    values = tiny_city.grid().values.copy()
    for name, change in stations.items():
        change(values[:, tiny_city.STATIONS.index(name)])
    return MinuteFeatures(replace(tiny_city.grid(), values=values), "UTC", FeatureSettings(weeks=4))


@dataclass
class Oracle:
    """Knows what is coming."""

    features: Features
    name: str = "weekday_mean"

    def predict(self, tensors: Tensors) -> Prediction:
        truth = np.nan_to_num(self.features.truth(tensors.origins))
        return Prediction(truth, np.stack([truth] * len(QUANTILES)))

    def export(self, folder: Path) -> dict[str, Any]:
        raise NotImplementedError


def champion(forecaster: Forecaster) -> BundledForecaster:
    return BundledForecaster(forecaster, "3", {"as_of": "2024-01-20T00:00:00Z"})


def night(wanted: Settings, made: MinuteFeatures, before: BundledForecaster | None = None) -> tuple[Trained, Decision]:
    trained = train(made, wanted, tiny_city.AS_OF, champion=before)
    return trained, judge(wanted, trained, before)


def never(values: np.ndarray) -> None:  # type: ignore[type-arg]
    """Nothing observed but on the held-out days."""
    values[:, : -5 * tiny_city.DAY] = np.nan


def test_a_first_night_promotes_every_group_that_no_baseline_beats() -> None:
    trained, decision = night(settings(), features())
    assert [(row.group, row.stations, row.verdict) for row in trained.groups] == [
        ("centre", 2, "promoted"),
        ("rest", 1, "promoted"),
    ]
    assert decision.promoted
    assert decision.reason == "2 of 2 groups are promoted."
    assert isinstance(trained.forecaster, Grouped)
    assert [model.whole for model in trained.forecaster.models] == [False, False]
    assert trained.log.notes["groups"] == 2
    assert trained.log.notes["groups_failed"] == 0


def test_each_group_is_judged_against_its_part_of_the_champion_and_only_the_better_one_is_promoted() -> None:
    made = features()
    mean, oracle = initial_forecaster("last_known"), Oracle(made)
    before = champion(
        Grouped(
            "x",
            [
                GroupModel("a", ("central", "museum"), mean, whole=True),
                GroupModel("b", ("harbour",), oracle, whole=True),
            ],
        )
    )
    trained, decision = night(settings(), made, before)
    centre, rest = trained.groups
    assert (centre.verdict, centre.kept, rest.verdict, rest.kept) == ("promoted", "", "not promoted", "champion 3")
    assert [row.rival for row in centre.table] == ["champion 3", "last_known"]
    assert (centre.table[0].verdict, rest.table[0].verdict) == ("better", "worse")
    assert decision.promoted
    assert decision.reason.startswith("1 of 2 groups is promoted: centre. rest keeps champion 3: The challenger is ")
    tensors = made.tensors(ORIGINS)
    answer = trained.forecaster.predict(tensors)
    np.testing.assert_array_equal(answer.mean[:, :, REST], oracle.predict(tensors).mean[:, :, REST])
    assert not np.array_equal(answer.mean[:, :, CENTRE], mean.predict(tensors).mean[:, :, CENTRE])
    harbour = trained.scores["challenger"].daily[:, 1]  # scored as it would publish
    np.testing.assert_array_equal(harbour, trained.scores["champion"].daily[:, 1])


def test_where_no_group_is_better_the_champion_stays_and_the_challengers_are_kept_for_a_person() -> None:
    made = features()
    oracle = Oracle(made)
    trained, decision = night(settings(), made, champion(oracle))
    assert not decision.promoted
    assert decision.reason.startswith("0 of 2 groups are promoted. centre keeps champion 3: The challenger is ")
    assert isinstance(trained.forecaster, Grouped)
    assert [model.group for model in trained.forecaster.models] == ["centre", "rest"]
    assert not any(model.forecaster is oracle for model in trained.forecaster.models)


def test_a_group_that_fails_keeps_the_champion_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    made, mean = features(harbour=never), initial_forecaster("last_known")
    trained, decision = night(settings(), made, champion(mean))
    rest = trained.groups[1]
    assert (rest.verdict, rest.kept) == ("failed", "champion 3")
    assert rest.reason == "HistoryError: linear_level: no training hour with a count: ingest more history"
    assert decision.promoted
    assert decision.reason == f"1 of 2 groups is promoted: centre. rest keeps champion 3: {rest.reason}"
    assert "| rest | 1 | | | | failed | champion 3 |" in decision.to_markdown()
    assert "group rest failed; it keeps its champion" in caplog.text
    tensors = made.tensors(ORIGINS)
    answer, kept = trained.forecaster.predict(tensors), mean.predict(tensors)
    np.testing.assert_array_equal(answer.mean[:, :, REST], kept.mean[:, :, REST])
    np.testing.assert_array_equal(answer.quantiles[:, :, :, REST], kept.quantiles[:, :, :, REST])
    assert trained.log.notes["groups_failed"] == 1


def test_a_group_that_fails_on_the_first_night_is_answered_by_a_baseline() -> None:
    trained, decision = night(settings(), features(harbour=never))
    assert decision.promoted
    assert (trained.groups[1].verdict, trained.groups[1].kept) == ("failed", "last_known")
    assert isinstance(trained.forecaster, Grouped)
    part = trained.forecaster.models[1]
    assert (part.group, part.stations, part.whole) == ("rest", ("harbour",), True)
    assert part.forecaster is trained.baselines["last_known"]


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("a fault")])
def test_a_fault_of_one_group_is_stated_and_stops_no_other(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = by_group.fit_group

    def failing(settings: Settings, *given: Any) -> Forecaster:
        if given[4].name == "centre":
            raise error
        return fit(settings, *given)

    monkeypatch.setattr(by_group, "fit_group", failing)
    trained, decision = night(settings(), features())
    assert [row.verdict for row in trained.groups] == ["failed", "promoted"]
    assert trained.groups[0].reason == f"{type(error).__name__}: {str(error) or 'without a message'}"
    assert decision.promoted


def test_a_night_of_which_every_group_fails_fails_and_a_wrong_configuration_does_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any) -> Forecaster:
        raise HistoryError("no training hour")

    with monkeypatch.context() as patched:
        patched.setattr(by_group, "fit_group", fail)
        with pytest.raises(HistoryError, match="no training hour"):
            night(settings(), features())
    made = settings("weekday_mean")
    wrong = made.model_copy(update={"models": {"weekday_mean": {"fit_origin": 3}}})
    with pytest.raises(ConfigError, match="fit_origin is an unknown key"):
        train(features(), wrong, tiny_city.AS_OF)


def test_a_person_decides_on_a_grouped_version_where_the_gate_asks_for_one() -> None:
    _, decision = night(settings(approval=True), features())
    assert (decision.promoted, decision.waits) == (False, True)
    assert decision.reason == "2 of 2 groups are promoted. A person decides."
    assert all(row.promoted for row in decision.groups)


def test_groups_that_end_hand_over_to_one_model_for_the_network() -> None:
    made = features()
    before, _ = night(settings(), made)
    trained, decision = night(settings("weekday_mean", groups=False), made, champion(before.forecaster))
    assert trained.groups == decision.groups == ()
    assert "champion" in trained.scores
    assert not isinstance(trained.forecaster, Grouped)


def test_each_group_goes_on_from_the_part_that_answered_for_its_stations(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def fit(
        settings: Settings, name: str, own: Features, split: Split, seed: int, log: FitLog, start: Any, _: Any
    ) -> Any:
        seen.append(start)
        return initial_forecaster("weekday_mean")

    monkeypatch.setattr(by_group, "fit_forecaster", fit)
    made, wanted, one, two = features(), settings(), object(), object()
    before: Any = Grouped("x", [GroupModel("a", ("harbour",), one), GroupModel("b", ("museum",), two)])  # type: ignore[arg-type]
    split = split_of(made, wanted, tiny_city.AS_OF, wanted.retrain)
    groups = find_groups(wanted, made.grid, split.validation[0])
    fit_groups(wanted, "x", made, split, 7, groups, FitLog(), before)
    assert seen == [two, one]


def test_fits_of_other_processes_come_back_through_the_data_root_and_one_that_is_lost_stops_no_other(
    tmp_path: Path,
) -> None:
    made, wanted = features(), settings().model_copy(update={"data_root": str(tmp_path)})
    split = split_of(made, wanted, tiny_city.AS_OF, wanted.retrain)
    first, second = find_groups(wanted, made.grid, split.validation[0])
    done = fit_apart(wanted, made, tiny_city.AS_OF, "linear_level", first, None, "training/0")
    fits = collect_fits(wanted, [done, FitApart.failed(second, RuntimeError("its worker was killed"))])
    here = fit_groups(wanted, "linear_level", made, split, wanted.retrain.seed, [first], FitLog())
    own = GroupFeatures(made, first.stations, NetworkRows(made)).tensors(ORIGINS)
    apart, local = fits[0].forecaster, here[0].forecaster
    assert apart is not None
    assert local is not None
    np.testing.assert_array_equal(apart.predict(own).mean, local.predict(own).mean)
    assert fits[0].log.notes["training_rows"] == here[0].log.notes["training_rows"]
    assert (fits[1].forecaster, fits[1].error) == (None, "RuntimeError: its worker was killed")


def test_fits_of_other_processes_of_which_all_failed_fail_the_night(tmp_path: Path) -> None:
    group = Group("north", (0,), ("a",))
    wanted = settings().model_copy(update={"data_root": str(tmp_path)})
    for error, kind in ((HistoryError("too short"), HistoryError), (MemoryError(), ModelError)):
        with pytest.raises(kind, match=r"every group failed, the first: \w+Error: "):
            collect_fits(wanted, [FitApart.failed(group, error)])
