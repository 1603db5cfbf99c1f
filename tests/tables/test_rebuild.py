"""A minute file that grows by what is new is the one that a fold of everything makes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables.test_fold import START, TARGETS, as_table, statements

from tasks.storage.parquet import encode_table
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.fold import fold
from tasks.tables.rebuild import folded_from, rebuild_day

DAY = "2024-05-10"


def put(store: Store, name: str, rows: list[dict[str, Any]]) -> str:
    path = f"{schemas.day_folder('observations', DAY)}/{name}.parquet"
    store.write_table(path, as_table(rows))
    return path


def said(station: str, minute: int, available: int, entries: int | None, part: str = "") -> dict[str, Any]:
    from datetime import timedelta

    at = {name: START + timedelta(minutes=m) for name, m in (("minute", minute), ("available", available))}
    return {**at, "station": station, "part": part, "received": at["available"], "source": "s"} | {
        "entries": entries,
        "exits": None,
    }


@settings(max_examples=60, derandomize=True)
@given(st.lists(st.lists(statements, min_size=1, max_size=6), min_size=1, max_size=5), st.booleans())
def test_a_file_grown_batch_by_batch_is_the_fold_of_all(batches: list[list[dict[str, Any]]], totals: bool) -> None:
    told = [[{**row, "part": ""} if totals else row for row in batch] for batch in batches]
    with tempfile.TemporaryDirectory() as root:
        store = Store(root)
        for number, batch in enumerate(told):
            put(store, f"{9 - number}", batch)
            rebuild_day(store, DAY, TARGETS)
            everything = as_table([row for batch in told[: number + 1] for row in batch])
            assert store.read_bytes(schemas.minutes_file(DAY)) == encode_table(fold(everything, TARGETS))


@pytest.mark.parametrize(
    ("first", "second", "old_is_read"),
    [
        (said("A", 1, 2, 5), said("A", 2, 2, 6), False),  # another minute
        (said("B", 1, 2, 5), said("A", 1, 2, 6), False),  # another station, one that sorts before
        (said("A", 1, 2, 5), said("A", 1, 3, 6), False),  # a later word on the same minute
        (said("A", 1, 3, 5), said("A", 1, 3, 6), True),  # a word of the same moment
        (said("A", 1, 3, 5), said("A", 1, 2, 6), True),  # an earlier word
        (said("A", 1, 2, 5, "x"), said("A", 1, 3, 6, "y"), True),  # another share of the same minute
        (said("A", 1, 2, 5, "x"), said("A", 2, 3, 6, "y"), False),
    ],
)
def test_old_batches_are_read_again_only_where_they_matter(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any], old_is_read: bool
) -> None:
    store = Store(str(tmp_path))
    old = put(store, "a", [first])
    rebuild_day(store, DAY, TARGETS)
    put(store, "b", [second])
    kept = store.read_bytes(old)
    store.write_bytes(old, b"damaged")
    if old_is_read:
        with pytest.raises(Exception, match="cannot be read"):
            rebuild_day(store, DAY, TARGETS)
        assert kept is not None
        store.write_bytes(old, kept)
    rebuild_day(store, DAY, TARGETS)
    assert store.read_bytes(schemas.minutes_file(DAY)) == encode_table(fold(as_table([first, second]), TARGETS))


@pytest.mark.parametrize("note", [b"", b"[]", b'{"minutes": 1}', b"null"])
def test_a_damaged_note_costs_a_whole_fold_and_nothing_more(tmp_path: Path, note: bytes) -> None:
    store = Store(str(tmp_path))
    put(store, "a", [said("A", 1, 2, 5)])
    rebuild_day(store, DAY, TARGETS)
    store.write_bytes(f"{schemas.day_folder('minutes', DAY)}/_origin.json", note)
    assert folded_from(store, DAY) is None
    put(store, "b", [said("A", 2, 3, 6)])
    assert rebuild_day(store, DAY, TARGETS) == 2


def test_a_minute_file_that_was_changed_by_hand_is_not_built_upon(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    put(store, "a", [said("A", 1, 2, 5)])
    rebuild_day(store, DAY, TARGETS)
    store.write_table(schemas.minutes_file(DAY), fold(as_table([said("Z", 1, 2, 7)]), TARGETS))
    put(store, "b", [said("A", 2, 3, 6)])
    rebuild_day(store, DAY, TARGETS)
    table = store.read_tables([schemas.minutes_file(DAY)], schemas.minutes(TARGETS))
    assert table["station_id"].to_pylist() == ["A", "A"]


def test_a_batch_without_rows_ends_the_fold_too(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    put(store, "a", [said("A", 1, 2, 5)])
    rebuild_day(store, DAY, TARGETS)
    put(store, "b", [])
    assert rebuild_day(store, DAY, TARGETS) == 1
