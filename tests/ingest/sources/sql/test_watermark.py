"""Watermarks of every kind: capped at now, set back by the overlap, and the same again from the ledger."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.ingest.sources.sql.columns import NO_DAY, as_table, whole_days
from tasks.ingest.sources.sql.watermark import Mark

NOW = np.datetime64("2024-05-10T12:00:30", "s")
TOKYO = timezone(timedelta(hours=9))


@pytest.mark.parametrize(
    ("value", "cursor", "start"),
    [
        (5, "5", "-9995"),
        (20_000.75, "20000", "10000"),
        (Decimal("20000.75"), "20000", "10000"),
        (datetime(2024, 5, 10, 12, tzinfo=TOKYO), "2024-05-10T03:00:00+00:00", "2024-05-10T02:00:00+00:00"),
        (datetime(2024, 5, 10, 13, tzinfo=UTC), "2024-05-10T12:00:30+00:00", "2024-05-10T11:00:30+00:00"),
        (datetime(2024, 5, 10, 6, 0, 0, 7), "2024-05-10T06:00:00.000007", "2024-05-10T04:00:00.000007"),
        (datetime(2024, 5, 10, 8), "2024-05-10T07:00:00", "2024-05-10T05:00:00"),  # now is 7:00 in Chicago
        (date(2024, 5, 9), "2024-05-09T00:00:00", "2024-05-08T22:00:00"),
        ("2024-05-10T10:00:00.5Z", "2024-05-10T10:00:00.5Z", "2024-05-10T09:00:00"),
        ("2024-05-10 13:00:00Z", "2024-05-10 12:00:30", "2024-05-10 10:00:30"),
        ("2024-05-10 06:00", "2024-05-10 06:00", "2024-05-10 04:00"),
        ("2024-05-10T15:00+02:00", "2024-05-10T14:00", "2024-05-10T12:00"),
        ("2024-05-10T07:00-0530", "2024-05-10T06:30", "2024-05-10T04:30"),
        ("2024-05-12", "2024-05-10", "2024-05-09"),
    ],
)
def test_a_mark_ends_at_now_and_the_next_pull_begins_behind_it(value: object, cursor: str, start: str) -> None:
    mark = Mark.of(value)
    capped = mark.by(NOW, "America/Chicago")
    assert capped.text == cursor
    assert capped.behind(None).text == start
    again = Mark.parse(cursor, mark)
    assert again == capped
    assert again is not None
    assert again.behind(None) == capped.behind(None)


@pytest.mark.parametrize("value", [None, True, "soon", "", "2024-13-10", "2024-05-10T25:00", float("nan"), b"1"])
def test_what_is_neither_time_nor_number_is_no_mark(value: object) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Mark.of(value)


def test_a_cursor_of_another_kind_counts_as_none() -> None:
    number, moment, wall = Mark.of(7), Mark.of(datetime(2024, 5, 10, tzinfo=UTC)), Mark.of(datetime(2024, 5, 10))
    assert Mark.parse("2024-05-10T10:00:00", number) is None
    assert Mark.parse("7", moment) is None
    assert Mark.parse("2024-05-10T10:00:00", moment) is None
    assert Mark.parse("2024-05-10T10:00:00+00:00", wall) is None
    assert not number < moment
    assert Mark.of(6) < number


@given(
    days=st.lists(st.integers(0, 40), max_size=200).map(sorted),
    jitter=st.lists(st.integers(0, 1), min_size=200, max_size=200),
    gaps=st.sets(st.integers(0, 199)),
    size=st.integers(1, 60),
)
@example(days=[4, 5, 5], jitter=[0, 1, 0], gaps=set(), size=1)
def test_days_come_whole_and_nothing_is_lost(days: list[int], jitter: list[int], gaps: set[int], size: int) -> None:
    order = [day + late for day, late in zip(days, jitter, strict=False)]
    rows = [(None if i in gaps else day, i) for i, day in enumerate(order)]
    chunks = []
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        table = as_table(["day", "row"], part)
        chunks.append((table, np.array([NO_DAY if day is None else day for day, _ in part], dtype=np.int64)))
    pieces = [table.to_pylist() for table in whole_days(chunks, "here")]
    assert sorted(row["row"] for piece in pieces for row in piece) == list(range(len(rows)))
    homes: dict[int, int] = {}
    for number, piece in enumerate(pieces):
        for row in piece:
            if row["day"] is not None:
                assert homes.setdefault(row["day"], number) == number


def test_a_long_stretch_comes_in_many_pieces() -> None:
    chunks = [(pa.table({"x": [i]}), np.array([i])) for i in range(100)]
    sizes = [table.num_rows for table in whole_days(chunks, "here")]
    assert max(sizes) <= 2
    assert sum(sizes) == 100
