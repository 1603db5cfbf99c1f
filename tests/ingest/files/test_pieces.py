"""A large file is read in pieces: the same minutes, rejects, warnings and ledger as if it were read whole."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.ingest_bench import NOW, Bench

from tasks.errors import SourceError
from tasks.ingest.files import pieces, pull
from tasks.ingest.formats import csv_file, csv_pieces, cut_records
from tasks.ingest.formats.csv_layout import Layout
from tasks.ingest.land.ledger import SourceLedger
from tasks.ingest.limits import LONGEST_LINE
from tasks.ingest.rows import day_store

HEADER = ("station_id", "minute_utc", "entries", "exits")
FAULTS = ("", " ", "x", "-1", "5.0", "0x1F", "1e3", "2000000", "12.5", "nan", "+4", "007", '"7"', "99999999999")
TIMES = (
    "2024-05-09T10:00",
    "2024-05-09 10:01:00Z",
    "2024-05-09T12:02+02:00",
    "2024-05-09 10",
    "2024-05-09 05-06",
    "2024-05-09",
    "2024-05-09T24:30",
    "2024-05-09T10:03:00.500Z",
    "never",
    "",
    " 2024-05-09T10:04Z",
    "2024-05-10T11:59Z",
    "2031-01-01T00:00Z",
)
STATIONS = ("A", "B", "1.1", "1.10", "", "=x", '"C"', '"D, E"', '"F\nG"', "H")


def _row(draw: random.Random) -> str:
    minute = np.datetime64("2024-05-08T22:00", "m") + draw.randrange(0, 240)
    station = draw.choice(STATIONS) if draw.random() < 0.15 else draw.choice("ABH")
    time = draw.choice(TIMES) if draw.random() < 0.1 else f"{minute}Z"
    counts = [draw.choice(FAULTS) if draw.random() < 0.08 else str(draw.randrange(40)) for _ in range(2)]
    fields = [station, time, *counts]
    return ",".join(fields[: draw.choice((4, 4, 4, 4, 4, 4, 4, 4, 4, 3))] if draw.random() < 0.2 else fields)


def _text(seed: int, rows: int, clean: bool) -> bytes:
    draw = random.Random(seed)
    lines = [",".join(HEADER)]
    for number in range(rows):
        plain = f"{'ABH'[number % 3]},{np.datetime64('2024-05-08T22:00', 'm') + number // 3}Z,{number % 7},{number % 5}"
        lines.append(plain if clean and draw.random() < 0.97 else _row(draw))
    end = "" if draw.random() < 0.2 else draw.choice(("\n", "\r\n", "\n\n", "\n,,,\n"))
    text = draw.choice(("\n", "\n", "\r\n")).join(lines) + end
    return text.encode() + (b"\xffZ,2024-05-09T03:00Z,1,1\n" if draw.random() < 0.1 else b"")


def _ingested(folder: Path, text: bytes, **source: Any) -> dict[str, object]:
    """All that an ingest of one file leaves behind, names of files included."""
    bench = Bench.counts(folder, {"timezone": "Europe/London"}, **source)
    bench.put("f.csv", text)
    said: dict[str, object] = {}
    try:
        report = bench.ingest()
        said = {name: getattr(report, name) for name in ("rows", "rejected", "reasons", "warnings", "left_out")}
        said["examples"] = report.examples
    except SourceError as error:
        said["error"] = str(error)
    held = [name for name in bench.files() if name.startswith(("observations", "minutes", "rejects"))]
    ledger = [(e.input.digest, e.outcome.rows, e.outcome.reasons) for e in SourceLedger(bench.store, "gates").entries]
    where = str(folder)
    return {
        **{name: repr(value).replace(where, "") for name, value in said.items()},
        "minutes": bench.truth() if (folder / "root" / "minutes").exists() else {},
        "files": sorted(name for name in held if not name.startswith("rejects")),
        "rejects": repr(bench.rejects()).replace(where, ""),
        "ledger": repr(ledger).replace(where, ""),
    }


def _both(text: bytes, size: int, **source: Any) -> tuple[dict[str, object], dict[str, object]]:
    """What is left behind where the file is read whole, and where it is read in pieces of about so many bytes."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        (Path(folder) / "a").mkdir()
        whole = _ingested(Path(folder) / "a", text, **source)
        patch.setattr(pieces, "SMALL", -1)
        patch.setattr(cut_records, "PIECE", size)
        patch.setattr("tasks.ingest.files.read._CHUNK", size)
        patch.setattr(day_store, "HELD_BYTES", 500)
        (Path(folder) / "b").mkdir()
        return whole, _ingested(Path(folder) / "b", text, **source)


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([({}, "last"), ({"rows": "sum"}, "sum"), ({"where": {"exits": ["1", "2", "3"]}}, "filtered")]),
    st.booleans(),
)
def test_a_file_with_faults_is_read_in_pieces_as_it_is_read_whole(
    seed: int, source: tuple[dict[str, object], str], clean: bool
) -> None:
    whole, in_pieces = _both(_text(seed, 150, clean), 1500, **source[0])
    assert in_pieces == whole


def test_rows_of_a_key_in_far_pieces_are_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"A,2024-05-09T{n // 60:02}:{n % 60:02}Z,{n % 9},1" for n in range(400)]
    text = "\n".join([",".join(HEADER), *rows, "A,2024-05-09T00:00Z,77,1", ""]).encode()
    whole, in_pieces = _both(text, 1000)
    assert in_pieces == whole
    assert "superseded_in_file" in str(in_pieces["reasons"])
    whole, in_pieces = _both(text, 1000, rows="sum")
    assert in_pieces == whole
    assert 77 in [next(iter(counts)) for counts in in_pieces["minutes"].values()]  # type: ignore[attr-defined]


@pytest.mark.parametrize("late", [False, True])
def test_a_second_spelling_of_a_station_is_noticed_however_late_it_comes(late: bool) -> None:
    rows = [f"1.1,2024-05-09T{n // 60:02}:{n % 60:02}Z,{n % 9},1" for n in range(300)]
    rows = [*rows, "1.10,2024-05-09T09:00Z,1,1"] if late else ["1.10,2024-05-09T09:00Z,1,1", *rows]
    whole, in_pieces = _both("\n".join([",".join(HEADER), *rows, ""]).encode(), 1000)
    assert in_pieces == whole
    assert in_pieces["reasons"] == "{'ambiguous_station': 301}"


def test_local_times_of_an_hour_that_comes_twice_are_told_apart_over_pieces() -> None:
    header, rows = "station_id,minute,entries,exits", []
    for hour in (0, 1, 1, 2):
        rows += [f"{s},2023-10-29T{hour:02}:{m:02},{m % 7},{hour}" for m in range(60) for s in "AB"]
    whole, in_pieces = _both("\n".join([header, *rows, ""]).encode(), 900)
    assert in_pieces == whole
    assert len(in_pieces["minutes"]) == 480  # type: ignore[arg-type]


def test_a_piece_that_holds_no_whole_record_is_left_to_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    read_whole = list[str]()
    open_whole = pull.OpenFile.whole

    def note(file: pull.OpenFile, why: str) -> pull.OpenFile:
        read_whole.append(why)
        return open_whole(file, why)

    monkeypatch.setattr(pull.OpenFile, "whole", note)
    rows = [f"A,2024-05-09T{n // 60:02}:{n % 60:02}Z,{n % 9},1" for n in range(100)]
    text = "\n".join([",".join(HEADER), *rows, 'A 5" pipe,2024-05-09T09:00Z,1,1', *rows[:9], ""]).encode()
    whole, in_pieces = _both(text, 1000)
    assert in_pieces == whole
    assert read_whole == ["it has quotes within values"]


def test_nothing_lands_of_a_file_that_the_whole_rejects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"A,2024-05-0{d}T{h:02}:00Z,{h},1" for d in (6, 7, 8) for h in range(24)]
    text = "\n".join([",".join(HEADER), *rows, ""]).encode()
    whole, in_pieces = _both(text, 600)
    assert in_pieces == whole
    assert "coarser than interval_minutes" in str(in_pieces["error"])
    assert in_pieces["minutes"] == {}


def test_a_file_that_is_known_is_not_read_again_and_a_changed_one_restates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "SMALL", -1)
    monkeypatch.setattr(cut_records, "PIECE", 1000)
    bench = Bench.counts(tmp_path)
    rows = [("A", f"2024-05-09T{n // 60:02}:{n % 60:02}Z", n % 9, 1) for n in range(300)]
    path = bench.put_rows("f.csv", HEADER, rows)
    assert bench.ingest().rows == 300
    path.touch()
    assert bench.ingest(NOW + np.timedelta64(1, "h")).skipped == 1
    bench.put_rows("f.csv", HEADER, [("A", "2024-05-09T00:00Z", 50, 1), *rows[1:]])
    assert bench.ingest(NOW + np.timedelta64(2, "h")).rows == 300
    assert [counts[0] for counts in bench.truth().values()][:2] == [50, 1]


@pytest.mark.parametrize("shift", range(16))
def test_an_hour_without_minutes_is_found_wherever_the_bytes_that_are_looked_at_together_end(
    monkeypatch: pytest.MonkeyPatch, shift: int
) -> None:
    monkeypatch.setattr(csv_pieces, "_BLOCK", 7)
    above = b"A,2024-05-09T10:00Z,1\n" + b"x" * shift
    assert csv_pieces._has_bare_hours(above + b",2024-05-09 10,1\n")
    assert not csv_pieces._has_bare_hours(above + b",2024-05-09 10:00,1\n")


@pytest.mark.parametrize("length", [LONGEST_LINE // 4, 2 * LONGEST_LINE])
def test_rows_without_quotes_are_one_block_only_where_no_line_may_be_too_long(length: int) -> None:
    rows = [b"A,1,x\n", b"B,2," + b"y" * length + b"\n"] * 2
    read = csv_file.read_typed(b"".join(rows), Layout(("station_id", "n", "note"), ",", 0), {"n": pa.int32()}, False)
    assert (read is None) == (length > LONGEST_LINE)
    assert read is None or read["n"].to_pylist() == [1, 2, 1, 2]
