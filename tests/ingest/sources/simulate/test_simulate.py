"""The simulated city as a feed: a history first, then what has become known since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.ingest_bench import NOW, Bench

from tasks.errors import ConfigError
from tasks.ingest.sources import make_source, named_source

CHICAGO = {"timezone": "America/Chicago", "country": "US", "interval_minutes": 15}


def city(folder: Path, **more: Any) -> Bench:
    source = {"name": "city", "kind": "simulate", "stations": 4, "weeks": 1}
    return Bench(folder, source, {**CHICAGO, **more})


def test_the_first_ingest_brings_the_weeks_asked_for(tmp_path: Path) -> None:
    bench = city(tmp_path)
    report = bench.ingest()
    assert report.first_minute == "2024-05-03T12:00Z"
    assert report.last_minute in ("2024-05-10T11:30Z", "2024-05-10T11:45Z")
    assert 0.9 * 4 * 7 * 96 < report.minutes <= 4 * 7 * 96


def test_a_feed_followed_in_steps_ends_where_one_that_was_read_at_once_does(tmp_path: Path) -> None:
    followed, at_once = city(tmp_path / "a"), city(tmp_path / "b")
    end = NOW + np.timedelta64(2, "D")
    moment = NOW
    for hours in (0, 1, 2, 20, 25):
        moment = min(moment + np.timedelta64(hours, "h"), end)
        followed.ingest(moment)
    at_once.ingest(end, start=NOW - np.timedelta64(7, "D"), end=end)
    assert moment == end
    assert followed.minute_files() == at_once.minute_files()
    for hours in (0, 1, 5, 30):
        then = NOW + np.timedelta64(hours, "h")
        assert followed.truth(then) == at_once.truth(then)


def test_a_later_ingest_brings_only_what_has_become_known_since(tmp_path: Path) -> None:
    bench = city(tmp_path)
    bench.ingest()
    report = bench.ingest(NOW + np.timedelta64(1, "h"))
    said = [(row["station_id"], row["minute_utc"], row["available_at"]) for row in bench.table("observations")]
    assert len(said) == len(set(said))
    assert 4 * 3 <= report.rows <= 4 * 12


def test_rows_keep_the_moment_at_which_they_were_known(tmp_path: Path) -> None:
    bench = city(tmp_path)
    bench.ingest(backfill=True)
    late = [
        row for row in bench.table("observations") if (row["available_at"] - row["minute_utc"]).total_seconds() > 3600
    ]
    assert late
    assert all(row["available_at"] <= row["received_at"] for row in bench.table("observations"))


def test_nothing_new_is_nothing_done(tmp_path: Path) -> None:
    bench = city(tmp_path)
    bench.ingest()
    assert bench.ingest(NOW - np.timedelta64(1, "h")).skipped == 1


def test_a_network_that_counts_other_things_is_told_so(tmp_path: Path) -> None:
    bench = city(tmp_path, targets=["boardings"])
    with pytest.raises(ConfigError, match="counts entries and exits, not 'boardings'"):
        make_source(named_source(bench.settings, "city"), bench.settings.network)
    assert city(tmp_path, targets=["exits"]).ingest().minutes > 0
