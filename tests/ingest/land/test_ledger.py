"""The ledger's file: flat rows that every release reads, and entries in three parts."""

from __future__ import annotations

import shutil
from dataclasses import fields
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.ingest_bench import NOW

from tasks.ingest.context import IngestContext
from tasks.ingest.land.entries import Entry, Input, Outcome, Position
from tasks.ingest.land.ledger import LedgerView, SourceLedger
from tasks.settings.sources.rows import BaseSource
from tasks.settings.tree import Network
from tasks.storage.store import Store

EARLIER = Path(__file__).parents[1] / "fixtures" / "earlier_root"
FILE = "ledger/gates/entries.parquet"
FULL = Entry(
    "feed/a.csv",
    Input("feed/a.csv", "d1", "12-345", "s1", "c1", True, "2024-05-01T00:00", "2024-05-02T00:00"),
    Outcome(
        "2024-05-10T12:00:00.000001",
        7,
        {"absurd": 2, "negative": 1},
        ["rejects/received_date=2024-05-10/x.parquet"],
        "feed/a.csv: no CSV",
        "2024-05-01T00:00",
        "2024-05-01T23:59",
    ),
    Position("since=7", "2024-05-10T13:00:00"),
)
BARE = Entry("feed/b.csv", Input("feed/b.csv", "d2", None, "s2", "c1", False), Outcome("2024-05-10T12:00:00.000002", 3))


def test_an_entry_is_one_flat_row_of_the_file(tmp_path: Path) -> None:
    SourceLedger(Store(str(tmp_path)), "gates").write([BARE, FULL])
    first, second = pq.read_table(tmp_path / FILE).to_pylist()
    assert first == {
        "key": "feed/a.csv",
        "origin": "feed/a.csv",
        "digest": "d1",
        "stamp": "12-345",
        "state": "s1",
        "setup": "c1",
        "backfill": True,
        "rows": 7,
        "rejected": 3,
        "received_at": "2024-05-10T12:00:00.000001",
        "rejects": ["rejects/received_date=2024-05-10/x.parquet"],
        "reasons": [("absurd", 2), ("negative", 1)],
        "first_minute": "2024-05-01T00:00",
        "last_minute": "2024-05-01T23:59",
        "start": "2024-05-01T00:00",
        "end": "2024-05-02T00:00",
        "cursor": "since=7",
        "recheck_at": "2024-05-10T13:00:00",
        "failed": "feed/a.csv: no CSV",
    }
    assert (second["key"], second["rejected"], second["reasons"], second["cursor"]) == ("feed/b.csv", 0, [], None)


def test_entries_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    writing = SourceLedger(store, "gates")
    writing.write([FULL])
    writing.write([BARE])
    reading = SourceLedger(store, "gates")
    assert reading.entries == [FULL, BARE]
    for entry in (FULL, BARE):
        assert reading.get(entry.key) == writing.get(entry.key) == entry
    assert reading.get("feed/c.csv") is None


@pytest.mark.parametrize("source", [path.name for path in sorted((EARLIER / "data" / "ledger").iterdir())])
def test_the_file_of_an_earlier_release_is_read_whole_and_written_again_as_it_was(tmp_path: Path, source: str) -> None:
    shutil.copytree(EARLIER / "data", tmp_path, dirs_exist_ok=True)
    path = tmp_path / "ledger" / source / "entries.parquet"
    before = pq.read_table(path)
    ledger = SourceLedger(Store(str(tmp_path)), source)
    for row, entry in zip(before.to_pylist(), ledger.entries, strict=True):
        parts = (entry, entry.input, entry.outcome, entry.position)
        held = {each.name: getattr(part, each.name) for part in parts for each in fields(part)}
        row["reasons"] = dict(row["reasons"])
        assert {name: held[name] for name in row if name != "rejected"} == {
            k: v for k, v in row.items() if k != "rejected"
        }
        assert entry.outcome.rejected == row["rejected"]
    path.unlink()
    ledger.write(ledger.entries)
    assert pq.read_table(path).equals(before)


@pytest.mark.parametrize(
    ("entry", "changes", "shown"),
    [
        (BARE, {}, True),
        (BARE, {"setup": "c2"}, False),
        (BARE, {"backfill": True}, False),
        (BARE, {"start": NOW.astype("datetime64[m]")}, True),
        (FULL, {}, False),  # it failed
    ],
)
def test_a_source_is_shown_the_digest_of_an_entry_with_nothing_to_add(
    tmp_path: Path, entry: Entry, changes: dict[str, object], shown: bool
) -> None:
    store = Store(str(tmp_path))
    SourceLedger(store, "gates").write([entry])
    given = {"setup": "c1", **changes}
    context = IngestContext(store, Network(), BaseSource(name="gates"), NOW, **given)  # type: ignore[arg-type]
    view = LedgerView(SourceLedger(store, "gates"), context)
    assert view.digest(entry.key) == (entry.input.digest if shown else None)
    assert view.cursor(entry.key) == entry.position.cursor
