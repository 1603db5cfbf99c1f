"""Stations that are left out by name, whichever kind of source has them: counted as left out, and no rejects."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.ingest_bench import Bench

from tasks.stations.ids import is_excluded

LINES = "".join(f"{s},2024-05-09T10:0{m}Z,{m + 1}\n" for m in range(3) for s in ("A", "Total", "TOTAL LINE 1", "72.0"))
COUNTS = "station_id,minute,entries\n" + LINES
TAPS = "from,started_at\n" + "".join(f"{s},2024-05-09T10:0{m}:07Z\n" for m in range(3) for s in ("A", "Total"))


@pytest.mark.parametrize("pieces", [False, True])
def test_rows_of_excluded_stations_are_left_out_and_no_rejects(
    tmp_path: Path, pieces: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if pieces:
        monkeypatch.setattr("tasks.ingest.files.pieces.SMALL", 1)
    excluded = {"exclude": ["Total", "TOTAL *", "72"]}
    bench = Bench.counts(tmp_path, {"targets": ["entries"]})
    bench.stations = excluded
    bench.put("f.csv", COUNTS)
    report = bench.ingest()
    assert {station for station, _ in bench.truth()} == {"A"}
    assert (report.left_out, report.reasons, report.problem) == (9, {}, None)


def test_a_bad_row_of_an_excluded_station_is_no_reject(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, {"targets": ["entries"]})
    bench.stations = {"exclude": ["Total"]}
    bench.put("f.csv", COUNTS + "Total,2024-05-09T10:00Z,many\nTotal,,\n")
    assert bench.ingest().reasons == {}


def test_taps_of_excluded_stations_are_left_out(tmp_path: Path) -> None:
    events = {"entries": {"time": "started_at", "station_id": "from"}}
    bench = Bench(
        tmp_path,
        {"name": "trips", "kind": "events", "path": f"{tmp_path}/feed/*", "events": events},
        {"targets": ["entries"]},
        stations={"exclude": ["T*"]},
    )
    bench.put("f.csv", TAPS)
    report = bench.ingest()
    assert {station for station, _ in bench.truth()} == {"A"}
    assert (report.left_out, report.reasons) == (3, {})


def test_stations_that_are_excluded_later_count_nobody_any_more(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, {"targets": ["entries"]})
    bench.put("f.csv", COUNTS)
    bench.ingest()
    bench.stations = {"exclude": ["T*"]}
    bench.ingest()
    assert {station for (station, _), counts in bench.truth().items() if any(counts)} == {"A", "72"}


def test_patterns_are_of_the_whole_id_and_of_its_case() -> None:
    assert is_excluded("[Total]", ["[Total]"])
    assert is_excluded("TOTAL LINE 1", ["TOTAL*"])
    assert not is_excluded("Subtotal", ["total", "Total*"])
