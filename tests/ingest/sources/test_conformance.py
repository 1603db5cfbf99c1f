"""What every kind of source must do, whatever it reads. A new kind needs one example here."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from support.feed_server import serve_folder
from support.ingest_bench import NOW, Bench, Failing

from tasks.errors import StoreError
from tasks.ingest.source import Pull, Source
from tasks.ingest.sources import kinds, make_source, named_source

LATER = NOW + np.timedelta64(90, "m")
LONDON = {"timezone": "Europe/London", "interval_minutes": 5}


def some_counts(folder: Path) -> Bench:
    bench = Bench.counts(folder, LONDON)
    minutes = np.arange("2024-05-08T22:00", "2024-05-10T12:00", 5, dtype="datetime64[m]")
    for name, station in (("a.csv", "A"), ("b.csv.gz", "B")):
        rows = [(station, f"{t}Z", i % 7, i % 3) for i, t in enumerate(minutes)]
        bench.put_rows(name, ("station_id", "minute_utc", "entries", "exits"), [*rows, (station, "never", 1, 1)])
    return bench


def more_counts(bench: Bench) -> None:
    rows = [("C", "2024-05-10T12:05Z", 1, ""), ("A", "2024-05-10T10:05Z", 9, 9)]
    bench.put_rows("c.csv", ("station_id", "minute_utc", "entries", "exits"), rows)


def some_events(folder: Path) -> Bench:
    bench = Bench.events(folder, LONDON)
    start = np.datetime64("2024-05-09T04:00:20", "s")
    for name, every in (("1.csv", 613), ("2.csv.gz", 2713)):
        moments = start + np.arange(40) * np.timedelta64(every, "s")
        rows = [(f"{t}Z", f"{t + 400}Z", "AB"[i % 2], "BCA"[i % 3]) for i, t in enumerate(moments)]
        bench.put_rows(name, ("started_at", "ended_at", "from", "to"), [*rows, (f"{start}Z", "never", "A", "A")])
    return bench


def more_events(bench: Bench) -> None:
    row = ("2024-05-10T12:00:20Z", "2024-05-10T12:07:20Z", "A", "D")
    bench.put_rows("3.csv", ("started_at", "ended_at", "from", "to"), [row])


def some_city(folder: Path) -> Bench:
    return Bench(folder, {"name": "city", "kind": "simulate", "stations": 3, "weeks": 1}, LONDON)


def more_city(bench: Bench) -> None:
    """The city goes on by itself."""


def some_http(folder: Path) -> Bench:
    minutes = np.arange("2024-05-08T22:00", "2024-05-10T12:00", 5, dtype="datetime64[m]")
    rows = [count(station, f"{t}Z", i % 7, i % 3) for i, t in enumerate(minutes) for station in "AB"]
    pages = Bench.http(folder, "", LONDON)
    for number, page in enumerate([rows[:300], [*rows[300:600], count("A", "never", 1, 1)], rows[600:]]):
        pages.put(f"{number}.json", json.dumps([*page, count("B", "never", 1, 1)] if number == 2 else page))
    columns = {"station_id": "stop.id", "minute_utc": "at", "entries": "people.in", "exits": "people.out"}
    paged = {"records": "data.counts", "cursor": "cursor", "next": "meta.next"}
    return Bench.http(folder, serve_folder(folder / "feed").url, LONDON, columns=columns, **paged)


def more_http(bench: Bench) -> None:
    rows = [count("C", "2024-05-10T12:05Z", 1, None), count("A", "2024-05-10T10:05Z", 9, 9)]
    bench.put("3.json", json.dumps(rows))


def count(station: str, minute: str, entries: int, exits: int | None) -> dict[str, object]:
    return {"stop": {"id": station}, "at": minute, "people": {"in": entries, "out": exits}}


def some_stocks(folder: Path) -> Bench:
    """A recording of a feed of stocks at twelve stations: half an hour of two days ago, and an hour of today."""
    bench = Bench(folder, {"name": "bikes", "kind": "gbfs", "path": f"{folder}/feed/*"}, LONDON)
    starts = np.array(["2024-05-08T22:00:00", "2024-05-10T00:55:00"], "M8[s]")
    for number in range(37):
        put_stocks(bench, number, starts[min(number // 13, 1)] + number * np.timedelta64(150, "s"))
    return bench


def more_stocks(bench: Bench) -> None:
    start = np.datetime64("2024-05-10T02:27:30", "s")
    for number in range(37, 40):
        put_stocks(bench, number, start + (number - 37) * np.timedelta64(150, "s"))


def put_stocks(bench: Bench, number: int, moment: np.datetime64) -> None:
    seconds = int(moment.astype(np.int64))
    stations = [
        {
            "station_id": f"S{i}",
            "num_bikes_available": 9 + (number * (i + 3)) % 7,
            "num_docks_available": 9,
            "is_installed": True,
            "is_renting": True,
            "is_returning": True,
            "last_reported": seconds - i,
        }
        for i in range(12)
    ]
    broken = [{"station_id": "S0", "num_bikes_available": -1}, {"num_bikes_available": 1}] if number == 0 else []
    reply = {"last_updated": seconds, "ttl": 60, "version": "2.3", "data": {"stations": [*stations, *broken]}}
    bench.put(f"{number:03}.json", json.dumps(reply))


def some_rows(folder: Path) -> Bench:
    url = f"sqlite:///{folder}/feed/ops.db"
    bench = Bench(
        folder, {"name": "ops", "kind": "sql", "url": url, "table": "counts", "watermark": "changed_at"}, LONDON
    )
    minutes = np.arange("2024-05-08T22:00", "2024-05-10T12:00", 5, dtype="datetime64[m]")
    rows = [(s, f"{t}Z", i % 7, i % 3, f"{t + 5}Z") for s in "AB" for i, t in enumerate(minutes)]
    put_rows(bench, [*rows, *((s, "never", 1, 1, "2024-05-10T11:00Z") for s in "AB")])
    return bench


def more_rows(bench: Bench) -> None:
    late = "2024-05-10T13:00Z"
    put_rows(bench, [("C", "2024-05-10T12:05Z", 1, None, late), ("A", "2024-05-10T10:05Z", 9, 9, late)])


def put_rows(bench: Bench, rows: list[tuple[object, ...]]) -> None:
    path = bench.folder / "feed" / "ops.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE IF NOT EXISTS counts (station_id, minute_utc, entries, exits, changed_at)")
        database.executemany("INSERT INTO counts VALUES (?, ?, ?, ?, ?)", rows)


EXAMPLES: dict[str, tuple[Callable[[Path], Bench], Callable[[Bench], None]]] = {
    "counts": (some_counts, more_counts),
    "events": (some_events, more_events),
    "gbfs": (some_stocks, more_stocks),
    "http": (some_http, more_http),
    "simulate": (some_city, more_city),
    "sql": (some_rows, more_rows),
}
every_kind = pytest.mark.parametrize("kind", kinds())


def example(kind: str, folder: Path) -> Bench:
    return EXAMPLES[kind][0](folder)


def made(bench: Bench) -> Source:
    return make_source(named_source(bench.settings, bench.source["name"]), bench.settings.network)


def test_every_kind_has_an_example() -> None:
    assert set(kinds()) == set(EXAMPLES)


@every_kind
def test_what_it_yields_fits_the_contract(tmp_path: Path, kind: str) -> None:
    bench = example(kind, tmp_path)
    source = made(bench)
    batches = list(source.pull(Pull(NOW)))
    assert isinstance(source, Source)
    assert sum(len(batch.statements) for batch in batches) > 100
    seen: list[str] = []
    for batch in batches:
        assert batch.source == source.name == bench.source["name"]
        said = batch.statements
        assert said.values.shape == said.valid.shape == (len(bench.targets), len(said))
        assert list(said.stations) == sorted({*said.stations})
        times = said.minute.astype("datetime64[m]")
        assert (times + np.timedelta64(5, "m") <= NOW).all()
        assert (said.minute % 5 == 0).all()
        known = said.available.astype("datetime64[us]")
        assert ((known <= NOW) | np.isnat(known)).all()
        assert "" not in said.stations
        assert seen[-1:] == [batch.key] or batch.key not in seen
        seen.append(batch.key)


@every_kind
def test_rows_in_are_rows_landed_and_rejects(tmp_path: Path, kind: str) -> None:
    bench = example(kind, tmp_path)
    report = bench.ingest()
    assert report.minutes == len(bench.truth()) > 100
    assert report.rejected == sum(report.reasons.values()) == len(bench.rejects())
    assert report.files == {"simulate": 1, "gbfs": 1, "http": 1, "sql": 1}.get(kind, 2)
    assert report.rows == {"counts": 912, "events": 82, "gbfs": 444, "http": 912, "sql": 912}.get(
        kind, len(bench.table("observations"))
    )
    assert report.rejected == {"simulate": 0}.get(kind, 2)


@every_kind
@pytest.mark.parametrize("backfill", [False, True])
def test_ingesting_twice_changes_no_byte_and_adds_no_file(tmp_path: Path, kind: str, backfill: bool) -> None:
    bench = example(kind, tmp_path)
    first = bench.ingest(backfill=backfill)
    before = bench.files()
    again = bench.ingest(backfill=backfill)
    assert bench.files() == before
    assert first.rows > 0
    assert (again.rows, again.days) == (0, [])


@every_kind
def test_a_lost_ledger_costs_a_repetition_and_nothing_more(tmp_path: Path, kind: str) -> None:
    bench = example(kind, tmp_path)
    bench.ingest()
    before = bench.files()
    for path in (tmp_path / "root" / "ledger").rglob("*.parquet"):
        path.unlink()
    bench.ingest()
    assert bench.files("ledger") == {k: v for k, v in before.items() if not k.startswith("ledger")}


@every_kind
@pytest.mark.parametrize("share", [0.0, 0.4, 0.99])
def test_a_crash_at_any_write_and_a_second_run_end_in_the_same_bytes(tmp_path: Path, kind: str, share: float) -> None:
    bench = example(kind, tmp_path)
    counting = Failing(str(tmp_path / "whole"), 10**6)
    bench.ingest_into(counting)
    writes = 10**6 - counting.left
    with pytest.raises(StoreError, match="cut off"):
        bench.ingest_into(Failing(str(tmp_path / "root"), int(share * writes)))
    bench.ingest_into(bench.store)
    whole = Bench(tmp_path, bench.source, bench.network, "whole")
    assert bench.files("ledger") == whole.files("ledger") != {}
    assert bench.ingest().rows == 0


@every_kind
@pytest.mark.parametrize("share", [0.1, 0.6])
def test_a_crash_of_a_later_run_and_another_run_after_it_end_in_the_same_minutes(
    tmp_path: Path, kind: str, share: float
) -> None:
    bench = example(kind, tmp_path)
    whole = Bench(tmp_path, bench.source, bench.network, "whole")
    for each in (bench, whole):
        each.ingest()
    EXAMPLES[kind][1](bench)
    counting = Failing(str(tmp_path / "whole"), 10**6)
    whole.ingest_into(counting, LATER)
    with pytest.raises(StoreError, match="cut off"):
        bench.ingest_into(Failing(str(tmp_path / "root"), int(share * (10**6 - counting.left))), LATER)
    bench.ingest(LATER + np.timedelta64(60, "s"))
    whole.ingest(LATER + np.timedelta64(60, "s"))
    assert bench.truth() == whole.truth()
    assert bench.minute_files() == whole.minute_files()


@every_kind
def test_bounds_are_kept_and_the_rest_comes_with_the_next_full_ingest(tmp_path: Path, kind: str) -> None:
    bench = example(kind, tmp_path)
    whole = Bench(tmp_path, bench.source, bench.network, "whole")
    whole.ingest(backfill=True)
    start, end = np.datetime64("2024-05-10T01:00", "m"), np.datetime64("2024-05-10T02:00", "m")
    bench.ingest(backfill=True, start=start, end=end)
    inside = {key: value for key, value in whole.truth().items() if start <= np.datetime64(key[1]) < end}
    assert bench.truth() == inside != {}
    bench.ingest(backfill=True)
    assert bench.truth() == whole.truth()


@every_kind
def test_a_live_ingest_knows_from_now_and_a_backfill_from_then(tmp_path: Path, kind: str) -> None:
    bench = example(kind, tmp_path)
    live = bench.ingest()
    then = NOW - np.timedelta64(1, "h")
    if kind != "simulate":
        assert bench.truth(then) == {}
        assert "nexthour backfill" in live.warnings[-1]
    assert bench.truth(NOW) == bench.truth()
    bench.ingest(backfill=True)
    known = bench.truth(then)
    assert known
    assert max(at for _, at in known) <= then.item()
    if kind != "simulate":
        assert known == {key: value for key, value in bench.truth().items() if np.datetime64(key[1]) + 5 <= then}


@every_kind
def test_later_ingests_add_what_is_new(tmp_path: Path, kind: str) -> None:
    bench = example(kind, tmp_path)
    bench.ingest()
    before = bench.truth()
    EXAMPLES[kind][1](bench)
    report = bench.ingest(LATER)
    assert report.rows > 0
    assert set(before) < set(bench.truth())


def test_two_processes_at_once_end_in_the_same_minutes(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np; from tasks.ingest.steps import ingest_source; from tasks.settings.toml_file import *\n"
        "from flows.leave import leave\n"
        "s = load_settings(sys.argv[1])\n"
        "for name in ('gates', 'trips', 'city', 'bikes', 'feed', 'ops'): ingest_source(s, name, np.datetime64(sys.argv[2]))\n"
        "leave(0)"
    )
    benches = [some(tmp_path / kind) for kind, (some, _) in EXAMPLES.items()]
    parts = ['[network]\ntimezone = "Europe/London"\ninterval_minutes = 5\n']
    parts += [
        "[[sources]]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in bench.source.items())
        for bench in benches
    ]
    config = tmp_path / "nexthour.toml"
    config.write_text(f'data_root = "{tmp_path}/both"\n' + "".join(parts))
    running = [subprocess.Popen([sys.executable, "-c", code, str(config), str(moment)]) for moment in (NOW, NOW)]
    one, both = (Bench(tmp_path, benches[0].source, LONDON, root) for root in ("one", "both"))
    for bench in benches:
        Bench(tmp_path, bench.source, LONDON, "one").ingest()
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    assert both.minute_files() == one.minute_files() != {}
    assert both.files("ledger", "observations", "minutes") == one.files("ledger", "observations", "minutes")


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + "}"
    return f'"{value}"' if isinstance(value, str) else str(value)
