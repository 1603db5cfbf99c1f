"""A data root that an earlier release wrote is read, left as it is by the same files, and continued by new ones.

`fixtures/earlier_root` holds two days of counts and trips as commit 0dee314 ingested them on 5 March 2024, 20:00 UTC.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from tasks.ingest.steps import SourceReport, ingest_source
from tasks.settings.toml_file import load_settings
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables.minutes import read_minutes

EARLIER = Path(__file__).parent / "fixtures" / "earlier_root"
NOW = np.datetime64("2024-03-06T20:00", "s")
START, END = np.datetime64("2024-03-04T06:00", "m"), np.datetime64("2024-03-07T06:00", "m")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The network whose data root and drop folder are copies of the earlier ones."""
    shutil.copytree(EARLIER, tmp_path / "copy")
    return load_settings(tmp_path / "copy" / "nexthour.toml")


def ingest(settings: Settings) -> dict[str, SourceReport]:
    return {source.name: ingest_source(settings, source.name, NOW) for source in settings.sources}


def tables(settings: Settings) -> dict[str, bytes]:
    """Content of every table file by its path, without ledger and locks."""
    root = Path(settings.data_root)
    kept = ("observations", "minutes", "rejects", "claims")
    return {str(path): path.read_bytes() for name in kept for path in (root / name).rglob("*") if path.is_file()}


def counts(settings: Settings) -> dict[tuple[str, str], tuple[int, int]]:
    """Entries and exits by station and UTC minute."""
    table = read_minutes(Store(settings.data_root), START, END, "America/Chicago", ("entries", "exits"))
    minutes = pc.strftime(table["minute_utc"], "%Y-%m-%dT%H:%M").to_pylist()
    keys = zip(table["station_id"].to_pylist(), minutes, strict=True)
    return dict(zip(keys, zip(table["entries"].to_pylist(), table["exits"].to_pylist(), strict=True), strict=True))


def stated(drop: Path) -> dict[tuple[str, str], tuple[int, int]]:
    """What the valid rows of the gates' files state, in UTC: Chicago is six hours behind it."""
    rows = (line.split(",") for path in sorted(drop.glob("gates/*.csv")) for line in path.read_text().splitlines()[1:])
    hours = np.timedelta64(6, "h")
    return {
        (gate, str(np.datetime64(time.replace(" ", "T"), "m") + hours)): (int(ins), int(outs))
        for gate, time, ins, outs in rows
        if int(ins) >= 0
    }


def append(drop: Path, name: str, *lines: str) -> None:
    with (drop / name).open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def test_an_earlier_root_states_what_its_files_state(settings: Settings) -> None:
    found = counts(settings)
    assert {key: value for key, value in found.items() if key[0] in ("north", "south")} == stated(EARLIER / "drop")
    trips = [value for (station, _), value in found.items() if station.startswith("dock")]
    assert [sum(column) for column in zip(*trips, strict=True)] == [120, 120]


def test_the_same_files_land_nothing_in_an_earlier_root(settings: Settings) -> None:
    before = tables(settings)
    for report in ingest(settings).values():
        assert (report.rows, report.files, report.skipped, report.rejected) == (0, 0, 2, 0)
        assert report.failures == report.days == []
    assert tables(settings) == before


def test_further_files_and_corrections_continue_an_earlier_root(settings: Settings) -> None:
    drop, before = Path(settings.data_root).parent / "drop", counts(settings)
    (drop / "gates" / "2024-03-06.csv").write_text("gate,time,in,out\nnorth,2024-03-06 06:00,4,2\n")
    append(drop, "gates/2024-03-05.csv", "south,2024-03-05 08:01,9,8")
    again = (drop / "trips" / "2024-03-05.csv").read_text().splitlines()
    new = "2024-03-06-0,2024-03-06T07:00:00,dock-1,2024-03-06T07:05:00,dock-2"
    (drop / "trips" / "2024-03-06.csv").write_text("\n".join([again[0], new]) + "\n")
    reports = ingest(settings)
    assert [(report.files, report.skipped, report.failures) for report in reports.values()] == [(2, 1, []), (1, 2, [])]
    after = counts(settings)
    assert {key: after[key] for key in before} == before
    assert {key: value for key, value in after.items() if key not in before and any(value)} == {
        ("north", "2024-03-06T12:00"): (4, 2),
        ("south", "2024-03-05T14:01"): (9, 8),
        ("dock-1", "2024-03-06T13:00"): (1, 0),
        ("dock-2", "2024-03-06T13:05"): (0, 1),
    }


def test_a_trip_that_an_earlier_root_counted_counts_once_when_it_comes_again(settings: Settings) -> None:
    drop, before = Path(settings.data_root).parent / "drop", counts(settings)
    shutil.copy(drop / "trips" / "2024-03-05.csv", drop / "trips" / "again.csv")
    append(drop, "trips/again.csv", "new,2024-03-05T09:00:30,dock-1,2024-03-05T09:01:00,dock-1")
    ingest(settings)
    total = [sum(column) for column in zip(*counts(settings).values(), strict=True)]
    assert total == [people + 1 for people in (sum(column) for column in zip(*before.values(), strict=True))]
