"""Small made-up inputs in the shapes in which operators publish, read by configuration as plain pandas counts them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from support.ingest_bench import Bench
from support.shapes_bench import LATER, Counts, by_init, differences, minutes_of

from tasks.ingest.inspect.answers import Answers

STATIONS = ("Nord", "Süd", "West")
RANDOM = np.random.default_rng(11)


class Shape(NamedTuple):
    """A file, the keys that read it, and the people that pandas counts.

    Attributes:
        name: of the file.
        content: of it.
        network: keys of `[network]`.
        source: keys of the source.
        people: station, time (UTC) and targets, a row each.
    """

    name: str
    content: str
    network: dict[str, Any]
    source: dict[str, Any]
    people: pd.DataFrame


def town(zone: str, minutes: int = 15, slots: int = 8) -> pd.DataFrame:
    """Station, local time, UTC, entries and exits."""
    times = pd.date_range("2024-03-13 07:00", periods=slots, freq=f"{minutes}min", tz=zone)
    table = pd.MultiIndex.from_product([STATIONS, times], names=["station", "time"]).to_frame(index=False)
    counts = RANDOM.integers(0, 2500, (len(table), 2))
    return table.assign(
        utc=table["time"].dt.tz_convert("UTC").dt.tz_localize(None),
        time=table["time"].dt.tz_localize(None),
        entries=counts[:, 0],
        exits=counts[:, 1],
    )


def text_of(table: pd.DataFrame, **how: Any) -> str:
    out = io.StringIO()
    table.to_csv(out, index=False, **how)
    return out.getvalue()


def counts_of(table: pd.DataFrame) -> Counts:
    rows = table.rename(columns={"station": "station_id"}).to_dict("records")
    targets = [name for name in table.columns if name not in ("station", "utc")]
    return {(r["station_id"], r["utc"].to_pydatetime()): {t: int(r[t]) for t in targets} for r in rows}


def direction_in_a_column() -> Shape:
    wide = town("Asia/Shanghai")
    long = wide.melt(["station", "time"], ["entries", "exits"], "way", "people")
    long["way"] = long["way"].map({"entries": 1, "exits": 0})
    targets = {t: {"column": "people", "where": {"way": [value]}} for t, value in (("entries", "1"), ("exits", "0"))}
    columns = {"station_id": "station", "minute": "time", **targets}
    network = {"timezone": "Asia/Shanghai", "interval_minutes": 15}
    return Shape("a.csv", text_of(long.sample(frac=1, random_state=3)), network, {"columns": columns}, people(wide))


def column_per_quarter_hour() -> Shape:
    wide = town("Europe/London")
    form = wide["time"].dt.strftime("%H%M") + "-" + (wide["time"] + pd.Timedelta("15min")).dt.strftime("%H%M")
    pieces = [
        wide.assign(slot=form).pivot(index="station", columns="slot", values=way).reset_index().assign(Direction=way)
        for way in ("entries", "exits")
    ]
    columns: dict[str, Any] = {"station_id": "station", "minute": ["day", "interval"]}
    columns |= {way: {"column": "value", "where": {"Direction": [way]}} for way in ("entries", "exits")}
    source = {"constants": {"day": "2024-03-13"}, "unpivot": {"pattern": "%H%M-*"}, "columns": columns}
    return Shape("a.csv", text_of(pd.concat(pieces)), {"timezone": "Europe/London", "interval_minutes": 15}, source, people(wide))  # fmt: skip


def pairs_of_stations_without_a_header() -> Shape:
    hours = pd.date_range("2024-03-13 07:00", periods=4, freq="h")
    pairs = pd.MultiIndex.from_product([hours, STATIONS, STATIONS], names=["time", "origin", "end"]).to_frame(
        index=False
    )
    pairs["people"] = RANDOM.integers(1, 90, len(pairs))
    utc = pairs["time"].dt.tz_localize("America/Los_Angeles").dt.tz_convert("UTC").dt.tz_localize(None)
    ends = [
        pairs.groupby([pairs[end].rename("station"), utc.rename("utc")])["people"].sum().rename(target)
        for target, end in (("entries", "origin"), ("exits", "end"))
    ]
    rows = pairs.assign(date=pairs["time"].dt.date, hour=pairs["time"].dt.hour)
    both = {
        target: {"time": ["date", "hour"], "station_id": end, "count": "people"}
        for target, end in (("entries", "from"), ("exits", "to"))
    }
    source = {"kind": "events", "header": ["date", "hour", "from", "to", "people"], "events": both}
    text = text_of(rows[["date", "hour", "origin", "end", "people"]], header=False)
    network = {"timezone": "America/Los_Angeles", "interval_minutes": 60}
    return Shape("a.csv", text, network, source, pd.concat(ends, axis=1).reset_index())


def fares_of_twelve_hours_with_thousands() -> Shape:
    whole = town("America/New_York", 60)
    parts = [whole.assign(fare=fare, entries=whole["entries"] + more) for fare, more in (("full", 0), ("child", 1500))]
    rows = pd.concat(parts).assign(
        when=lambda t: t["time"].dt.strftime("%m/%d/%Y %I:%M:%S %p"), riders=lambda t: t["entries"].map("{:,}".format)
    )
    source = {
        "rows": "sum",
        "time_format": "%m/%d/%Y %I:%M:%S %p",
        "thousands": ",",
        "columns": {"station_id": "station", "minute": "when", "entries": "riders"},
    }
    summed = pd.concat(parts).groupby(["station", "utc"])["entries"].sum().reset_index()
    network = {"timezone": "America/New_York", "interval_minutes": 60, "targets": ["entries"]}
    return Shape("a.csv", text_of(rows[["when", "station", "fare", "riders"]]), network, source, summed)


def semicolons_of_another_encoding() -> Shape:
    whole = town("Europe/Paris")[["station", "time", "utc", "entries"]]
    rows = whole.assign(when=whole["time"].dt.strftime("%d/%m/%Y %H:%M"), vald=whole["entries"].astype(str))
    rows.loc[whole["entries"] < 600, "vald"] = "Moins de 600"
    source = {
        "encoding": "latin-1",
        "time_format": "%d/%m/%Y %H:%M",
        "missing": ["Moins de 600"],
        "columns": {"station_id": "station", "minute": "when", "entries": "vald"},
    }
    network = {"timezone": "Europe/Paris", "interval_minutes": 15, "targets": ["entries"]}
    text = text_of(rows[["when", "station", "vald"]], sep=";")
    return Shape("a.csv", text, network, source, whole[whole["entries"] >= 600].drop(columns="time"))


def ends_of_intervals() -> Shape:
    whole = town("Europe/London")
    rows = whole.assign(ending=whole["time"] + pd.Timedelta("15min"))
    columns = {"station_id": "station", "minute": "ending"}
    network = {"timezone": "Europe/London", "interval_minutes": 15}
    text = text_of(rows[["ending", "station", "entries", "exits"]])
    return Shape("a.csv", text, network, {"time_is": "end", "columns": columns}, people(whole))


def readings_of_twenty_seconds() -> Shape:
    times = pd.date_range("2024-03-13 08:00", periods=60, freq="20s")
    rows = pd.DataFrame({"station": "Nord", "time": times, "entries": RANDOM.integers(0, 5, len(times))})
    summed = rows.groupby(["station", rows["time"].dt.floor("min").rename("utc")])["entries"].sum().reset_index()
    source = {"rows": "sum", "columns": {"station_id": "station", "minute": "time"}}
    return Shape("a.csv", text_of(rows), {"timezone": "UTC", "targets": ["entries"]}, source, summed)


def columns_parted_by_blanks() -> Shape:
    whole = town("Asia/Taipei", 60)[["station", "time", "utc", "entries"]]
    lines = [
        f"{t:%Y-%m-%d} {t:%H} {s:<10} {n:>8}"
        for t, s, n in zip(whole["time"], whole["station"], whole["entries"], strict=True)
    ]
    head = [f"{'date':<10} hr {'stop':<10} {'people':>8}", f"{'-' * 10} -- {'-' * 10} {'-' * 8}"]
    text = "\n".join([*head, *lines, "", f"({len(lines)} rows affected)", ""])
    columns = {"station_id": "stop", "minute": ["date", "hr"], "entries": "people"}
    network = {"timezone": "Asia/Taipei", "interval_minutes": 60, "targets": ["entries"]}
    source = {"delimiter": "blanks", "skip_footer": 1, "columns": columns}
    return Shape("a.txt", text, network, source, whole.drop(columns="time"))


def people(table: pd.DataFrame) -> pd.DataFrame:
    return table[["station", "utc", "entries", "exits"]]


SHAPES: list[Callable[[], Shape]] = [
    direction_in_a_column,
    column_per_quarter_hour,
    pairs_of_stations_without_a_header,
    fares_of_twelve_hours_with_thousands,
    semicolons_of_another_encoding,
    ends_of_intervals,
    readings_of_twenty_seconds,
    columns_parted_by_blanks,
]


@pytest.mark.parametrize("make", SHAPES)
def test_a_shape_is_read_as_pandas_counts_it(tmp_path: Path, make: Callable[[], Shape]) -> None:
    shape = make()
    path = tmp_path / shape.name
    path.write_text(shape.content, encoding=shape.source.get("encoding", "utf-8"))
    bench = Bench(tmp_path, {"name": "feed", "kind": "counts", "path": str(path), **shape.source}, shape.network)
    report = bench.ingest(LATER, backfill=True)
    assert (report.failures, report.problem, report.rejected) == ([], None, 0)
    assert differences(minutes_of(bench.settings, report.days), counts_of(shape.people)) == []


@pytest.mark.parametrize("make", SHAPES)
def test_init_reads_a_shape_right_or_asks(tmp_path: Path, make: Callable[[], Shape]) -> None:
    shape = make()
    path = tmp_path / shape.name
    path.write_text(shape.content, encoding=shape.source.get("encoding", "utf-8"))
    outcome = by_init(tmp_path, [path], Answers(timezone=shape.network["timezone"]))
    assert outcome.kind in ("landed", "asked")
    if outcome.landed is not None:
        assert differences(outcome.landed.minutes, counts_of(shape.people), zeros=True) == []
