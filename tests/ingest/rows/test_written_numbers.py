"""Counts as people write them are read as their source says, and rejected where it says nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError
from support.ingest_bench import Bench, at

from tasks.ingest.rows.parse_values import read_counts
from tasks.ingest.rows.rejections import Rejections
from tasks.settings.sources.files import CountsSource


def read(values: pa.Array, **keys: Any) -> list[int | str | None]:
    """Each count, None where it is blank, or the reason against it."""
    rejections = Rejections(len(values))
    source = CountsSource.model_validate({"name": "x", "path": "f", **keys})
    counted = read_counts(values, source, rejections)
    numbers, given = counted.values, counted.given
    reasons = iter(rejections.reasons(rejections.rejected).to_pylist())
    bad = {*rejections.rejected.tolist()}
    return [next(reasons) if i in bad else int(numbers[i]) if given[i] else None for i in range(len(values))]


@pytest.mark.parametrize(
    "text", ["1,653", "1 204", "1\u00a0204", "1\u202f204", "1'404", "12,0", "Moins de 5", "<5", "-"]
)
def test_nothing_is_guessed(text: str) -> None:
    assert read(pa.array([text])) == ["not_a_number"]


@pytest.mark.parametrize(
    ("keys", "text", "count"),
    [
        ({"thousands": ","}, "1,653", 1653),
        ({"thousands": ",", "maximum": 10**7}, " +1,653,000.0 ", 1_653_000),
        ({"thousands": ",", "maximum": 10**8}, "2,09,878", 209_878),
        ({"thousands": ",", "maximum": 10**8}, "12,34,56,789", "absurd"),
        ({"thousands": ","}, "2,9,878", "not_a_number"),
        ({"thousands": ","}, "209,87", "not_a_number"),
        ({"thousands": ","}, "7", 7),
        ({"thousands": ","}, "12.0", 12),
        ({"thousands": ","}, "12,0", "not_a_number"),
        ({"thousands": ","}, "1,6530", "not_a_number"),
        ({"thousands": ","}, "1653,000", "not_a_number"),
        ({"thousands": ","}, "0,123", "not_a_number"),
        ({"thousands": ","}, ",123", "not_a_number"),
        ({"thousands": ","}, "-1,204", "negative"),
        ({"thousands": ",", "maximum": 1000}, "1,204", "absurd"),
        ({"thousands": " "}, "1 204", 1204),
        ({"thousands": " "}, "1\u00a0204", 1204),
        ({"thousands": "\u202f"}, "1\u202f204", 1204),
        ({"thousands": " "}, "12 5", "not_a_number"),
        ({"thousands": "'"}, "1\u2019404", 1404),
        ({"thousands": [",", "'"]}, "1'404", 1404),
        ({"thousands": [",", "'"]}, "1'404,000", "not_a_number"),
        ({"thousands": "."}, "1.204", 1204),
        ({"thousands": "."}, "12.0", "not_a_number"),
        ({"thousands": ".", "decimal": ","}, "1.204,0", 1204),
        ({"thousands": ".", "decimal": ","}, "1,204.0", "not_a_number"),
        ({"decimal": ","}, "12,0", 12),
        ({"decimal": ","}, "12,5", "not_whole"),
        ({"decimal": ","}, "1.204", "not_a_number"),
        ({"decimal": ","}, "1,2,0", "not_a_number"),
        ({"decimal": [",", "."]}, "12.0", 12),
        ({"thousands": ",", "decimal": ","}, "1,653", 1653),
        ({"thousands": ",", "decimal": ","}, "12,0", 12),
        ({"thousands": ",", "decimal": ","}, "1,000", "not_a_number"),
        ({"thousands": ",", "decimal": ","}, "1,000,000", 1_000_000),
        ({"missing": ["Moins de 5"]}, " MOINS DE 5 ", None),
        ({"missing": ["<5", "-"]}, "-", None),
        ({"missing": "-1"}, "-1", None),
        ({"missing": ["-1.0"]}, "-1.0", None),
        ({"missing": ["1,0"], "decimal": ","}, "1,0", None),
        ({"missing": ["-"]}, "-5", "negative"),
    ],
)
def test_a_count_is_read_as_its_source_says(keys: dict[str, Any], text: str, count: int | str | None) -> None:
    assert read(pa.array([text, None, "3"]), **keys) == [count, None, 3]


def test_a_number_may_stand_for_missing_in_a_column_of_numbers() -> None:
    assert read(pa.array([-1, 5, None]), missing=[-1, "n/a"], thousands=".") == [None, 5, None]
    assert read(pa.array([-1.0, 5.0]), missing=["-1"]) == [None, 5]


@pytest.mark.parametrize("keys", [{"thousands": ";"}, {"decimal": "'"}, {"thousands": 3}, {"missing": [None]}])
def test_other_marks_are_rejected_with_the_settings(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(keys))):
        CountsSource.model_validate({"name": "x", "path": "f", **keys})


def test_the_keys_count_among_what_decides_how_a_file_is_read_once_they_are_given(tmp_path: Path) -> None:
    plain = CountsSource.model_validate({"name": "x", "path": "f"}).model_dump()
    assert not {"thousands", "decimal", "missing"} & plain.keys()
    bench = Bench.counts(tmp_path)
    rows = [("A", "2024-05-09T10:00Z", "1 204", ""), ("A", "2024-05-09T10:01Z", "N/A", "")]
    bench.put_rows("f.csv", ("station_id", "minute_utc", "entries", "exits"), rows)
    assert bench.ingest().reasons == {"not_a_number": 2}
    bench = Bench.counts(tmp_path, thousands=" ", missing=["N/A"])
    assert bench.ingest(np.datetime64("2024-05-10T12:30:00")).reasons == {}
    assert bench.truth() == {("A", at("2024-05-09T10:00")): (1204, None)}


def test_the_people_of_an_event_are_written_so_too(tmp_path: Path) -> None:
    events = {"entries": {"time": "time", "station_id": "stop", "count": "people"}}
    bench = Bench.events(tmp_path, events=events, thousands=",", missing=["<5"])
    lines = ("time,stop,people", '2024-05-09T10:00Z,A,"1,204"', "2024-05-09T10:01Z,A,<5", "2024-05-09T10:02Z,A,2", "")
    bench.put("f.csv", "\n".join(lines))
    assert bench.ingest().reasons == {}
    truth = bench.truth()
    assert [truth.get(("A", at(f"2024-05-09T10:0{i}")), (None,))[0] for i in range(3)] == [1204, None, 2]
