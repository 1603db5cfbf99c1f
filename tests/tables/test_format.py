"""The format of tables: stated once, read where it is older, refused by name where it is newer."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.ingest_bench import NOW, Bench

from flows.cli.app import read_settings
from flows.pipelines import loop
from tasks.errors import StoreError
from tasks.storage.store import Store
from tasks.tables.format import FORMAT, PATH, check_format, state_format


def test_an_ingest_states_the_format_and_a_root_from_before_is_read(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    assert check_format(bench.store) == 1
    bench.put_rows("a.csv", ["station_id", "minute_utc", "entries", "exits"], [["A", "2024-05-10T10:00Z", 5, 1]])
    loop.ingest(bench.settings, NOW)
    assert bench.store.read_json(PATH) == {"format": FORMAT}


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
    state_format(store)
    before = (tmp_path / PATH).stat().st_mtime_ns
    state_format(store)
    assert (tmp_path / PATH).stat().st_mtime_ns == before
