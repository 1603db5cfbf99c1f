"""A preset fills the keys of a source, which its own keys go over."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.errors import ConfigError
from tasks.settings.presets import presets
from tasks.settings.sources.files import CountsSource, EventsSource
from tasks.settings.tree import Settings


def source_of(network: dict[str, Any] | None = None, **source: Any) -> Any:
    return Settings(network=network or {}, sources=[{"name": "a", "path": "x", **source}]).sources[0]


def test_an_unknown_preset_is_rejected_with_the_nearest_one() -> None:
    with pytest.raises(
        ConfigError, match=r"preset 'tides/stations' is unknown; did you mean 'tides/station_activities'"
    ):
        source_of(preset="tides/stations")


def test_keys_of_the_source_go_over_those_of_the_preset_one_by_one() -> None:
    source = source_of(preset="tides/station_activities", columns={"entries": "boardings"}, timezone="Europe/Paris")
    assert isinstance(source, CountsSource)
    assert (source.columns["entries"], source.columns["exits"]) == ("boardings", "total_exits")
    assert source.timezone == "Europe/Paris"


def test_an_end_of_a_trip_is_overridden_without_the_other() -> None:
    source = source_of(preset="divvy/trips", events={"entries": {"station_id": "dock"}})
    assert isinstance(source, EventsSource)
    assert source.events["entries"].station_id == "dock"
    assert source.events["entries"].time == presets_times("entries")
    assert source.events["exits"].time == presets_times("exits")


def presets_times(target: str) -> tuple[tuple[str, ...], ...]:
    times = presets()["divvy/trips"].source["events"][target]["time"]
    return tuple(tuple(group) for group in times)


def test_targets_that_the_network_has_not_are_left_out_of_a_preset() -> None:
    only = {"targets": ["entries"]}
    assert set(source_of(only, preset="divvy/trips").events) == {"entries"}
    assert set(source_of(only, preset="tides/station_activities").columns) == {"station_id", "minute", "entries"}


def test_a_target_that_the_source_itself_names_must_be_one_of_the_network() -> None:
    with pytest.raises(ConfigError, match=r"columns\.exits is unknown"):
        source_of({"targets": ["entries"]}, preset="tides/station_activities", columns={"exits": "out"})


def test_every_preset_has_a_title_and_makes_a_source() -> None:
    for name, preset in presets().items():
        assert preset.title
        assert source_of(dict(preset.network), preset=name).name == "a"
