"""Whatever a file holds, each row lands or is kept with the reason why not, and a file that cannot be used says so."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.ingest_bench import NOW, Bench, Failing, at

from tasks.errors import ConfigError, SourceError, StoreError
from tasks.ingest.steps import ingest_source
from tasks.settings.toml_file import load_settings

HEADER = ("station_id", "minute_utc", "entries", "exits")
GOOD = ("A", "2024-05-10T10:00:00Z", 1, 2)


def counts(folder: Path, *rows: tuple[object, ...], **more: Any) -> Bench:
    bench = Bench.counts(folder, **more)
    bench.put_rows("f.csv", HEADER, rows)
    return bench


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("", "2024-05-10T10:01Z", 1, 2), "missing_station"),
        (("  ", "2024-05-10T10:01Z", 1, 2), "missing_station"),
        (("A", "", 1, 2), "bad_time"),
        (("A", "soon", 1, 2), "bad_time"),
        (("A", "1715335260", 1, 2), "bad_time"),
        (("A", "2024-02-30T10:01Z", 1, 2), "bad_time"),
        (("A", "1970-01-01T00:00Z", 1, 2), "bad_time"),
        (("A", "2024-05-10T12:00Z", 1, 2), "in_future"),
        (("A", "2099-01-01T00:00Z", 1, 2), "in_future"),
        (("A", "2024-05-10T10:01Z", "many", 2), "not_a_number"),
        (("A", "2024-05-10T10:01Z", 1, "0x2"), "not_a_number"),
        (("A", "2024-05-10T10:01Z", "1,000", 2), "not_a_number"),
        (("A", "2024-05-10T10:01Z", -1, 2), "negative"),
        (("A", "2024-05-10T10:01Z", 1, 1_000_001), "absurd"),
        (("A", "2024-05-10T10:01Z", "inf", 1), "absurd"),
        (("A", "2024-05-10T10:01Z", 1, 2.5), "not_whole"),
        (("A", "2024-05-10T10:01Z", "", ""), "missing_count"),
        (("A", "2024-05-10T10:01Z", 1), "wrong_number_of_fields"),
        (("A", "2024-05-10T10:01Z", 1, 2, 3), "wrong_number_of_fields"),
    ],
)
def test_a_bad_row_is_rejected_whole_with_its_reason_line_and_text(
    tmp_path: Path, row: tuple[object, ...], reason: str
) -> None:
    bench = counts(tmp_path, GOOD, row, ("B", "2024-05-10T10:00:59.5Z", "3.0", ""))
    report = bench.ingest()
    assert bench.truth() == {("A", at("2024-05-10T10:00")): (1, 2), ("B", at("2024-05-10T10:00")): (3, None)}
    assert bench.rejects() == [(3, reason, ",".join(map(str, row)))]
    assert (report.rows, report.rejected, report.reasons) == (2, 1, {reason: 1})
    assert report.examples[0].startswith(f"{tmp_path}/feed/f.csv:3 {reason} ")


def test_the_largest_count_is_a_setting(tmp_path: Path) -> None:
    report = counts(tmp_path, GOOD, ("A", "2024-05-10T10:01Z", 1, 51), maximum=50).ingest()
    assert report.reasons == {"absurd": 1}


def test_a_minute_counts_when_it_is_over(tmp_path: Path) -> None:
    bench = counts(tmp_path, ("A", "2024-05-10T11:59Z", 1, 1), ("B", "2024-05-10T11:59:30Z", 1, 1))
    assert bench.ingest(NOW).rows == 2
    assert bench.ingest(NOW - np.timedelta64(1, "s"), paths=(f"{tmp_path}/feed/f.csv",)).skipped == 1


def test_a_row_of_the_future_lands_when_its_time_has_come(tmp_path: Path) -> None:
    bench = counts(tmp_path, GOOD, ("A", "2024-05-10T12:00Z", 5, 5))
    assert bench.ingest(NOW).reasons == {"in_future": 1}
    assert bench.ingest(NOW + np.timedelta64(59, "s")).skipped == 1
    assert bench.ingest(NOW + np.timedelta64(60, "s")).rows == 2
    assert bench.truth()["A", at("2024-05-10T12:00")] == (5, 5)
    assert len(bench.rejects()) == 1
    assert bench.ingest(NOW + np.timedelta64(120, "s")).skipped == 1


def test_rows_between_the_steps_of_a_coarse_network_are_rejected(tmp_path: Path) -> None:
    bench = counts(tmp_path, GOOD, ("A", "2024-05-10T10:05Z", 1, 1), network={"interval_minutes": 10})
    assert bench.ingest().reasons == {"off_grid": 1}


def test_the_same_row_again_is_rejected_and_of_two_values_the_last_line_wins(tmp_path: Path) -> None:
    bench = counts(
        tmp_path,
        ("A", "2024-05-10T10:00Z", 1, 1),
        ("A", "2024-05-10T10:00Z", 1, 1),
        ("B", "2024-05-10T10:00Z", 1, 1),
        ("A", "2024-05-10T10:00:30Z", 2, 2),
        ("B", "2024-05-10T10:00Z", 4, 4),
        ("B", "2024-05-10T10:00Z", 3, ""),
    )
    report = bench.ingest()
    assert bench.truth() == {("A", at("2024-05-10T10:00")): (2, 2), ("B", at("2024-05-10T10:00")): (3, None)}
    assert [(line, reason) for line, reason, _ in bench.rejects()] == [
        (2, "superseded_in_file"),
        (3, "duplicate_row"),
        (4, "superseded_in_file"),
        (6, "superseded_in_file"),
    ]
    assert report.rows + report.rejected == 6


def test_rejects_say_the_line_of_an_editor_past_blank_lines_and_line_breaks_in_values(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    bench.put(
        "f.csv",
        "\ufeffstation_id , minute_utc,entries,exits,note\r\n"
        "A,2024-05-10T10:00Z,1,1,\r\n"
        "\r\n"
        'B,2024-05-10T10:00Z,x,1,"one\nline two"\r\n'
        "C,2024-05-10T10:00Z,1\r\n"
        "D,2024-05-10T10:00Z,1,y,",
    )
    report = bench.ingest()
    assert [(line, reason) for line, reason, _ in bench.rejects()] == [
        (4, "not_a_number"),
        (6, "wrong_number_of_fields"),
        (7, "not_a_number"),
    ]
    assert report.rows == 1


def test_a_long_text_is_cut(tmp_path: Path) -> None:
    bench = counts(tmp_path, GOOD, ("é" * 2000, "never", 1, 1))
    bench.ingest()
    assert bench.rejects()[0][2] == "é" * 500


def test_rejects_of_a_growing_file_are_kept_once(tmp_path: Path) -> None:
    bench = counts(tmp_path, GOOD, ("A", "never", 1, 1))
    bench.ingest()
    bench.put_rows("f.csv", HEADER, [GOOD, ("A", "never", 1, 1), ("A", "never", 1, 1)])
    bench.ingest(NOW + np.timedelta64(1, "D"))
    assert [(line, reason) for line, reason, _ in bench.rejects()] == [(3, "bad_time"), (4, "bad_time")]


def whole_file_cases() -> dict[str, tuple[str, bytes, str, str]]:
    text = b"station_id,minute_utc,entries,exits\nA,2024-05-10T10:00Z,1,2\n" * 50
    packed = gzip.compress(text, mtime=0)
    return {
        "truncated gzip": ("x.csv.gz", packed[:-20], "unreadable_file", "is a packed file that ends early"),
        "damaged gzip": ("x.csv.gz", packed[:30] + b"\x00" * 9 + packed[39:], "unreadable_file", "damaged packed file"),
        "damaged Parquet": ("x.parquet", b"PAR1 and then nothing", "unreadable_file", "damaged Parquet"),
        "no bytes": ("x.csv", b"", "empty_file", "is empty"),
        "blank": ("x.csv", b"\n \n", "empty_file", "is empty"),
        "empty gzip": ("x.csv.gz", gzip.compress(b"", mtime=0), "empty_file", "is empty"),
        "Latin-1 header": ("x.csv", text.replace(b"entries", b"eintr\xe4ge"), "not_utf8", "write encoding = "),
        "UTF-16": ("x.csv", text.decode().encode("utf-16-le"), "not_utf8", "write encoding = "),
        "open quote": (
            "x.csv",
            text + b'"B,2024-05-10T10:00Z,1,2\nC,',
            "unreadable_file",
            "quote that is never closed",
        ),
        "no station": ("x.csv", b"stop,minute_utc,entries\nA,2024-05-10T10:00Z,1\n", "missing_column", "'station_id'"),
        "no minute": ("x.csv", b"station_id,time,entries\nA,2024-05-10T10:00Z,1\n", "missing_column", "'minute_utc'"),
        "no target": ("x.csv", b"station_id,minute_utc,in\nA,2024-05-10T10:00Z,1\n", "missing_column", "'entries'"),
        "one twice": ("x.csv", b"station_id,minute_utc,exits,exits\n", "missing_column", "2 columns 'exits'"),
    }


def put_raw(bench: Bench, name: str, data: bytes) -> None:
    path = bench.folder / "feed" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


@pytest.mark.parametrize("case", sorted(whole_file_cases()))
def test_a_file_that_cannot_be_used_fails_alone_in_one_line_and_is_tried_again(tmp_path: Path, case: str) -> None:
    name, data, reason, line = whole_file_cases()[case]
    bench = Bench.counts(tmp_path)
    put_raw(bench, name, data)
    with pytest.raises(SourceError, match=line) as failure:
        bench.ingest()
    assert str(failure.value).startswith(f"{tmp_path}/feed/{name} ")
    assert "\n" not in str(failure.value)
    assert [(row["line"], row["reason"]) for row in bench.table("rejects")] == [(0, reason)]
    before = bench.files("ledger")
    bench.put_rows("good.csv", HEADER, [GOOD])
    report = bench.ingest(NOW + np.timedelta64(2, "D"))
    assert (report.files, len(report.failures), report.reasons) == (1, 1, {reason: 1})
    assert bench.files("observations", "minutes", "ledger") == before
    put_raw(bench, name, b"station_id,minute_utc,entries\nZ,2024-05-10T10:00Z,9\n")
    assert bench.ingest().files == 1
    assert bench.truth()["Z", at("2024-05-10T10:00")] == (9, None)


def test_a_missing_column_is_answered_with_those_there_are_and_the_line_to_write(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, columns={"entries": "boarded"})
    bench.put_rows("f.csv", ("station_id", "minute_utc", "boarding"), [("A", "2024-05-10T10:00Z", 1)])
    with pytest.raises(SourceError) as failure:
        bench.ingest()
    assert str(failure.value) == (
        f"{tmp_path}/feed/f.csv has no column 'boarded' (it has station_id, minute_utc, boarding): "
        "write columns = { entries = \"...\" } in the [[sources]] table of 'gates'"
    )


def test_a_path_that_matches_nothing_names_itself(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no file matches .*feed/\*.*give --path"):
        Bench.counts(tmp_path).ingest()


def test_a_header_without_rows_is_a_file_without_news(tmp_path: Path) -> None:
    bench = counts(tmp_path)
    report = bench.ingest()
    assert (report.files, report.rows, report.first_minute) == (1, 0, None)
    assert bench.ingest().skipped == 1


def test_an_unknown_source_and_an_unknown_time_zone_are_answered_with_near_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no source 'gate'.*'gates'"):
        ingest_source(counts(tmp_path, GOOD).settings, "gate", NOW)
    config = tmp_path / "nexthour.toml"
    config.write_text('[network]\ntimezone = "America/Chicag"\n')
    with pytest.raises(ConfigError, match="America/Chicago"):
        load_settings(config)


def test_parquet_rows_are_rejected_like_those_of_text(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    bench.put(
        "f.parquet",
        pa.table(
            {
                "station_id": pa.array([7, None, 7, 7], pa.int64()),
                "minute_utc": pa.array([at("2024-05-10T10:00")] * 2 + [None, at("2024-05-10T10:01")]),
                "entries": pa.array([1.0, 2.0, 3.0, -4.0]),
                "exits": pa.array([None, 2, 3, 4], pa.int8()),
                "other": pa.array([{"a": 1}] * 4),
            }
        ),
    )
    report = bench.ingest()
    assert bench.truth() == {("7", at("2024-05-10T10:00")): (1, None)}
    assert [(line, reason) for line, reason, _ in bench.rejects()] == [
        (2, "missing_station"),
        (3, "bad_time"),
        (4, "negative"),
    ]
    assert report.rows + report.rejected == 4


def test_a_run_cut_off_before_midnight_and_repeated_after_it_keeps_each_reject_once(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    bench.put_rows("f.csv", HEADER, [GOOD, ("A", "never", 1, 1)])
    evening = np.datetime64("2024-05-10T23:59:30", "s")
    for writes in range(1, 7):
        try:
            bench.ingest_into(Failing(str(tmp_path / "root"), writes), evening)
        except StoreError:
            bench.ingest_into(bench.store, evening + np.timedelta64(120, "s"))
        assert [row["reason"] for row in bench.table("rejects")] == ["bad_time"]
        shutil.rmtree(tmp_path / "root")


def test_a_station_by_the_name_of_the_networks_total_is_rejected(tmp_path: Path) -> None:
    report = counts(tmp_path, GOOD, ("ALL", "2024-05-10T10:01Z", 1, 2), network={"total": "ALL"}).ingest()
    assert report.reasons == {"name_of_total": 1}
    assert report.rows == 1
