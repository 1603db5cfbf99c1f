"""Secrets that earlier releases kept with rejected rows are masked by upkeep."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.pipelines import loop
from flows.reports.document import markdown
from flows.reports.loop_reports import maintain_document
from tasks.ingest.land.reject_table import write_rejects
from tasks.ingest.mask import Mask
from tasks.ingest.rejects import Reject, Rejects
from tasks.settings.tree import Settings
from tasks.storage.store import Store

SECRET = "hush-feed-4f9c2a7e"
NOW = np.datetime64("2024-05-20T12:00", "us")
OLD = np.datetime64("2024-03-01T12:00", "us")
TEXTS = (f"A,{SECRET},1", "B,many,2", f"{'x' * 488}{SECRET[:12]}")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of two feeds, of which only one has a secret; both sent it back to a release that kept it."""
    monkeypatch.setenv("FEED_KEY", SECRET)
    feeds = [
        {
            "name": "feed",
            "kind": "http",
            "url": "https://example.org",
            "headers": {"Authorization": "Bearer env:FEED_KEY"},
        },
        {"name": "open", "kind": "http", "url": "https://example.com"},
    ]
    settings = Settings.model_validate({"data_root": str(tmp_path), "sources": feeds})
    for source in ("feed", "open"):
        write_rejects(Store(str(tmp_path)), rejects(source), OLD, [])
    return settings


def rejects(source: str) -> Rejects:
    rows = [Reject(source, "page", line, "not_a_number", text) for line, text in enumerate(TEXTS)]
    return Rejects.from_sequence(source, "page", rows)


def kept(settings: Settings) -> dict[str, list[str]]:
    """Texts that are kept, by source."""
    tables = [pq.ParquetFile(path).read() for path in sorted(Path(settings.data_root).glob("rejects/*/*"))]
    rows = pa.concat_tables(tables).select(["source", "text"]).to_pylist()
    return {name: [row["text"] for row in rows if row["source"] == name] for name in ("feed", "open")}


def test_rows_of_an_earlier_release_are_masked_once_and_no_file_counts_as_damaged(settings: Settings) -> None:
    store = Store(settings.data_root)
    (path,) = (each for each in store.files("rejects") if "feed" in sources_in(store, each))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("FEED_KEY")  # upkeep of before: it knows the checksums
        assert loop.maintain(settings, NOW, 1).masked == 0
    report = loop.maintain(settings, NOW, 1, full=True)
    assert report.masked == 2
    assert report.needs_a_person == []
    assert kept(settings)["feed"] == ["A,***,1", "B,many,2", f"{'x' * 488}***"]
    assert kept(settings)["open"] == list(TEXTS)  # it is not its secret
    assert "2 rejected rows held a secret of their source, which is masked now: replace" in markdown(
        maintain_document(report)
    )
    assert store.exists(path)  # the ledger refers to it
    assert loop.maintain(settings, NOW, 1, full=True).masked == 0


def test_a_feed_that_sends_the_same_rows_again_adds_none(settings: Settings) -> None:
    store = Store(settings.data_root)
    loop.maintain(settings, NOW, 1)
    before = store.files("rejects")
    known = [path for path in before if "feed" in sources_in(store, path)]
    config = next(each for each in settings.sources if each.name == "feed")
    masked = Mask.of(config)._rejects(rejects("feed"))
    assert write_rejects(store, masked, NOW, known) == known
    assert store.files("rejects") == before


def sources_in(store: Store, path: str) -> set[str]:
    return set(pq.ParquetFile(store.at(path)).read()["source"].to_pylist())
