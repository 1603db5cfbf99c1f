"""The format of tables: stated once, read where it is older, refused by name where it is newer."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.ingest_bench import NOW, Bench

from flows.cli.app import read_settings
from flows.pipelines import loop
from tasks.errors import ConfigError, StoreError
from tasks.settings.tree import Network
from tasks.storage.store import Store
from tasks.tables.format import FORMAT, PATH, check_format, state_format

HEADER = ("station_id", "minute_utc", "entries", "exits")


def test_an_ingest_states_the_format_and_a_root_from_before_is_read(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    assert check_format(bench.store) == 1
    bench.put_rows("a.csv", HEADER, [["A", "2024-05-10T10:00Z", 5, 1]])
    loop.ingest(bench.settings, NOW)
    assert bench.store.read_json(PATH) == {"format": FORMAT, "interval_minutes": 1, "timezone": "UTC"}


@pytest.mark.parametrize("stated", [{"format": FORMAT + 1}, {"format": "two"}, {}])
def test_tables_of_a_later_program_are_refused_with_the_remedy_and_left_as_they_are(
    tmp_path: Path, stated: dict[str, object]
) -> None:
    store = Store(str(tmp_path))
    store.write_json(PATH, stated)
    with pytest.raises(StoreError, match=r"install the version|restore it") as caught:
        read_settings(None, str(tmp_path))
    assert "\n" not in str(caught.value)
    assert store.read_json(PATH) == stated


def test_the_format_is_written_once(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    state_format(store, Network())
    before = (tmp_path / PATH).stat().st_mtime_ns
    state_format(store, Network())
    assert (tmp_path / PATH).stat().st_mtime_ns == before


@pytest.mark.parametrize("changed", [{"interval_minutes": 5}, {"timezone": "America/Chicago"}])
def test_another_interval_or_time_zone_is_refused_before_anything_is_misread(
    tmp_path: Path, changed: dict[str, object]
) -> None:
    bench = Bench.counts(tmp_path)
    bench.put_rows("a.csv", HEADER, [["A", f"2024-05-10T10:0{minute}Z", 5, 1] for minute in range(5)])
    loop.ingest(bench.settings, NOW)
    before, (key, value) = bench.truth(), next(iter(changed.items()))
    other = Bench.counts(tmp_path, changed, rows="sum")
    with pytest.raises(ConfigError, match=rf"\[network\] {key} = {value!r}.*ingest into a new data root"):
        loop.ingest(other.settings, NOW)
    with pytest.raises(ConfigError, match="were written with"):
        check_format(other.store, other.settings.network)
    assert bench.truth() == before


def test_a_root_of_an_earlier_release_states_its_grid_with_the_next_ingest(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.write_json(PATH, {"format": FORMAT})
    check_format(store, Network(interval_minutes=15))
    state_format(store, Network(interval_minutes=15, timezone="US/Central"))
    check_format(store, Network(interval_minutes=15, timezone="America/Chicago"))  # the same clocks by another name
    with pytest.raises(ConfigError, match=r"interval_minutes = 1, .* were written with 15"):
        state_format(store, Network(timezone="US/Central"))
