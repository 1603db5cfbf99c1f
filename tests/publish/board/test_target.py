"""What the board's target writes: files that fit together, small, never older than before."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.board_city import ORIGIN, publication

from tasks.contracts import Publication, Target
from tasks.publish import make_target
from tasks.publish.board.document import read_day, silent_since
from tasks.publish.board.past import past_series
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables import schemas

MEGABYTE = 1_000_000
YESTERDAY = np.datetime64("2026-03-09T05:00", "m")  # midnight in Chicago


def settings(root: Path) -> Settings:
    return Settings(data_root=str(root), network={"name": "Made-up Metro", "timezone": "America/Chicago"})


def board(root: Path) -> Path:
    return root / "publications" / "board"


def publish(root: Path, issue: Publication) -> str:
    return make_target(settings(root), "board").publish(issue)


def read_script(path: Path) -> Any:
    """The document of a data file."""
    text = path.read_text()
    assert (text[:14], text[-3:]) == ("nexthour.take(", ");\n")
    return json.loads(f"[{text[14:-3]}]")[1]


def read_issue(root: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `now.js` says, and the overview that it names."""
    now = read_script(board(root) / "data" / "now.js")
    return now, read_script(board(root) / "data" / f"{now['issue']}.overview.js")


def write_yesterday(root: Path, stations: int) -> tuple[Any, Any]:
    """Forecasts and minutes of yesterday; people per hour, [hour, station, target], of both."""
    store, rng, forecast, truth = Store(str(root)), np.random.default_rng(1), [], []
    for hour in range(24):
        origin = YESTERDAY + 60 * hour
        rows = publication(stations, origin=origin).forecasts
        name = f"{str(origin).replace('-', '').replace(':', '')}20Z-00000000.parquet"
        store.write_table(f"{schemas.day_folder('forecasts', '2026-03-09')}/{name}", rows)
        people = rows["mean"].to_numpy().reshape(stations, 2, 60)
        forecast.append(people.sum(axis=-1))
        truth.append(rng.poisson(people))
    ids = sorted(str(i) for i in range(stations))
    counts = np.concatenate(truth, axis=2).astype(np.int32)
    minutes = YESTERDAY + np.arange(1440).astype("timedelta64[m]")
    columns = {
        "station_id": schemas.name_array(np.repeat(np.arange(stations), 1440), ids),
        "minute_utc": schemas.time_array(np.tile(minutes, stations)),
        "entries": pa.array(counts[:, 0].ravel()),
        "exits": pa.array(counts[:, 1].ravel()),
    }
    table = pa.table(columns, schema=schemas.minutes(("entries", "exits")))
    store.write_table(schemas.minutes_file("2026-03-09"), table)
    return np.array(forecast), np.array(truth).sum(axis=-1)


def test_the_board_is_a_target_and_returns_where_its_page_is(tmp_path: Path) -> None:
    made = make_target(settings(tmp_path), "board")
    assert isinstance(made, Target)
    assert made.publish(publication(3)) == str(board(tmp_path) / "index.html")
    page = (board(tmp_path) / "index.html").read_text()
    for name in page.split('src="')[1:] + page.split('href="')[1:]:
        asset = name.split('"')[0].split("?")[0]
        assert asset == "#main" or (board(tmp_path) / asset).is_file()
    assert "MIT License" in (board(tmp_path) / "uPlot.LICENSE.txt").read_text()


def test_three_hundred_stations_with_yesterday_are_less_than_a_megabyte(tmp_path: Path) -> None:
    write_yesterday(tmp_path, 300)
    publish(tmp_path, publication(300))
    assert read_issue(tmp_path)[1]["past"] is not None
    assert sum(path.stat().st_size for path in board(tmp_path).rglob("*") if path.is_file()) < MEGABYTE


def test_the_overview_says_of_every_station_what_was_published(tmp_path: Path) -> None:
    issue = publication(14)
    publish(tmp_path, issue)
    now, overview = read_issue(tmp_path)
    assert now["next_issue_at"] == overview["next_issue_at"] == "2026-03-10T21:35:00Z"
    assert overview["stations"]["id"] == sorted(str(i) for i in range(14))
    rows = {(row["station_id"], row["target"]): row for row in issue.stations.to_pylist()}
    for s, station in enumerate(overview["stations"]["id"]):
        assert overview["stations"]["name"][s] == rows[station, "entries"]["name"]
        for target in ("entries", "exits"):
            for key in ("hour", "low", "high", "usual", "level_factor", "level"):
                value = overview["values"][target][key][s]
                assert value == pytest.approx(rows[station, target][key], abs=0.051)
    assert "zone" not in overview["stations"]


def test_who_scaled_a_forecast_is_not_published(tmp_path: Path) -> None:
    publish(tmp_path, publication(14))
    assert read_issue(tmp_path)[1]["overrides"][0]["why"] == "concert at the harbour"
    assert not [path for path in (board(tmp_path) / "data").iterdir() if "A. Person" in path.read_text()]


def test_the_same_issue_twice_is_one_and_an_older_one_changes_nothing(tmp_path: Path) -> None:
    publish(tmp_path, publication(3))
    files = {path: path.read_bytes() for path in board(tmp_path).rglob("*") if path.is_file()}
    publish(tmp_path, publication(3))
    kept = publish(tmp_path, publication(3, origin=ORIGIN - 5, seed=8))
    assert "stays as it is: it shows a later forecast, of 2026-03-10T21:30:00Z" in kept
    assert {path: path.read_bytes() for path in board(tmp_path).rglob("*") if path.is_file()} == files


def test_what_a_clock_that_ran_ahead_published_is_replaced(tmp_path: Path) -> None:
    publish(tmp_path, publication(3, origin=ORIGIN + 3000))
    publish(tmp_path, publication(3, trusted_until=f"{ORIGIN}:00Z"))
    assert read_issue(tmp_path)[1]["origin_utc"] == f"{ORIGIN}:00Z"


def test_the_issue_before_stays_for_its_readers_and_older_ones_go(tmp_path: Path) -> None:
    issues = []
    for minute in range(4):
        publish(tmp_path, publication(3, origin=ORIGIN + minute))
        issues.append(read_issue(tmp_path)[0]["issue"])
    held = {path.name.split(".")[0] for path in (board(tmp_path) / "data").iterdir()}
    assert held == {"now", *issues[-2:]}


def test_a_reader_never_meets_half_an_issue(tmp_path: Path) -> None:
    issues = [publication(5, origin=ORIGIN + minute) for minute in range(15)]
    publish(tmp_path, issues[0])
    writer = threading.Thread(target=lambda: [publish(tmp_path, issue) for issue in issues[1:]])
    writer.start()
    reads = late = 0
    while writer.is_alive():
        try:
            now, overview = read_issue(tmp_path)
            details = read_script(board(tmp_path) / "data" / f"{now['issue']}.day-0.js")
        except FileNotFoundError:
            late += 1  # two issues came between; the page asks again
            continue
        reads += 1
        assert now["issued_at"] == overview["issued_at"]
        assert details["stations"] == overview["stations"]["id"]
    writer.join()
    assert reads > late
    assert read_issue(tmp_path)[1]["origin_utc"] == f"{ORIGIN + 14}:00Z"


def test_yesterday_has_the_first_forecast_of_each_hour_and_what_came(tmp_path: Path) -> None:
    forecast, truth = write_yesterday(tmp_path, 3)
    (tmp_path / "forecasts/service_date=2026-03-09/notes.parquet").write_bytes(b"of somebody")
    publish(tmp_path, publication(3))
    _, overview = read_issue(tmp_path)
    past = read_script(board(tmp_path) / "data" / f"{overview['past']}.past-0.js")
    assert past["day"] == {"start": int(YESTERDAY.astype(int)), "minutes": 60, "bins": 24}
    for s in range(3):
        series = past["values"]["exits"][s]
        for name, expected in (("forecast", forecast[:, s, 1]), ("truth", truth[:, s, 1])):
            np.testing.assert_allclose(unpack(series, name, 24), expected, atol=series["top"] / 4000)
        low, high = unpack(series, "low", 24), unpack(series, "high", 24)
        assert ((low <= forecast[:, s, 1] + 1) & (forecast[:, s, 1] <= high + 1)).all()


def test_the_band_of_yesterday_comes_from_the_quantiles_that_were_published_and_the_learnt_factor(
    tmp_path: Path,
) -> None:
    write_yesterday(tmp_path, 3)

    def width() -> Any:
        store, day = Store(str(tmp_path)), np.datetime64("2026-03-09")
        series = past_series(store, settings(tmp_path), day, [str(i) for i in range(3)])[1]
        return np.nanmean(series["high"] - series["low"])

    before = width()
    (tmp_path / "alerts").mkdir()
    (tmp_path / "alerts/thresholds.json").write_text(json.dumps({"signals": {"limit": {"factor": 2.6}}}))
    assert 1.6 * before < width() < 2.4 * before  # twice the default factor
    (tmp_path / "alerts/thresholds.json").unlink()
    for path in Store(str(tmp_path)).files("forecasts", ".parquet"):
        rows = Store(str(tmp_path)).read_tables([path], schemas.FORECASTS)
        narrow = rows.set_column(rows.schema.get_field_index("q95"), "q95", rows["q50"])
        narrow = narrow.set_column(narrow.schema.get_field_index("q05"), "q05", rows["q50"])
        Store(str(tmp_path)).write_table(path, narrow)
    assert width() < before


def test_yesterday_is_computed_once_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_yesterday(tmp_path, 3)
    publish(tmp_path, publication(3))
    first = read_issue(tmp_path)[1]["past"]
    with monkeypatch.context() as patch:
        patch.setattr("tasks.publish.board.target.past_series", lambda *given: pytest.fail("computed again"))
        publish(tmp_path, publication(3, origin=ORIGIN + 5))
        assert read_issue(tmp_path)[1]["past"] == first
    publish(tmp_path, publication(3, origin=ORIGIN + 60))
    assert read_issue(tmp_path)[1]["past"] not in (None, first)
    publish(tmp_path, publication(4, origin=ORIGIN + 65))
    assert (board(tmp_path) / "data" / f"{read_issue(tmp_path)[1]['past']}.past-0.js").is_file()


def test_a_damaged_forecast_of_yesterday_does_not_stop_the_board(tmp_path: Path) -> None:
    write_yesterday(tmp_path, 3)
    for path in (tmp_path / "forecasts").rglob("*T1*.parquet"):
        path.write_bytes(b"no parquet")
    publish(tmp_path, publication(3))
    assert read_issue(tmp_path)[1]["past"] is None


def test_a_damaged_now_is_replaced(tmp_path: Path) -> None:
    publish(tmp_path, publication(3))
    (board(tmp_path) / "data" / "now.js").write_text('nexthour.take("now", [1]);\n')
    publish(tmp_path, publication(3))
    assert read_issue(tmp_path)[1]["network"] == "Made-up Metro"


def test_the_age_of_the_champion_is_that_of_its_bundle(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.write_json("bundles/champion.json", {"version": "14", "folder": "bundles/14"})
    store.write_json("bundles/14/bundle.json", {"meta": {"as_of": "2026-03-08T08:30:00Z"}})
    publish(tmp_path, publication(3))
    assert read_issue(tmp_path)[1]["trained_until"] == "2026-03-08T08:30:00Z"
    publish(tmp_path, publication(3, origin=ORIGIN + 5, model_version="weekday_level"))
    assert read_issue(tmp_path)[1]["trained_until"] is None


def test_a_station_is_silent_when_the_network_is_not() -> None:
    issue = publication(14)
    ids = [str(i) for i in range(14)]
    day = read_day(issue.day, ids, ("entries", "exits"))
    last = int((ORIGIN - 150).astype("datetime64[m]").astype(int))
    assert silent_since(day) == [last if i == 11 else None for i in range(14)]
    day.observed[:, 4] = np.nan
    assert silent_since(day)[4] == 0
    day.observed[:] = np.nan
    assert silent_since(day) == [None] * 14


def unpack(series: dict[str, Any], name: str, bins: int) -> Any:
    """The values of a packed series; NaN where it has none."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    first, text = series[name]
    values = np.full(bins, np.nan)
    for i in range(0, len(text), 2):
        number = 64 * digits.index(text[i]) + digits.index(text[i + 1])
        values[first + i // 2] = np.nan if number == 4095 else number / 4094 * series["top"]
    return values
