"""The command `nexthour override`, the flow's pipeline, and the report of what overrides changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import flows.cli.override  # noqa: F401  (it registers its commands)
from flows.cli.app import app
from flows.pipelines import override as pipeline
from flows.pipelines.override import Wish
from flows.reports.document import markdown
from flows.reports.override_reports import overrides_document
from tasks.errors import ConfigError
from tasks.settings.tree import Settings
from tasks.stations.load import station_table
from tasks.storage.store import Store
from tasks.tables import schemas

NOW = np.datetime64("2024-03-05T08:50:10", "us")
START = np.datetime64("2024-03-05T09:00", "m")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "stations.csv").write_text("station_id,name,line\n72,Clark/Lake,Blue\n73,Damen,Blue\n74,Howard,Red\n")
    (tmp_path / "nexthour.toml").write_text('[stations]\nfile = "stations.csv"\n')
    return Settings(data_root=str(tmp_path), stations={"file": str(tmp_path / "stations.csv")})


def wish(**changes: Any) -> Wish:
    given: dict[str, Any] = {"who": "Ann", "why": "concert", "factor": 2.0, "start": START, "end": START + 120}
    return Wish(**{**given, "station": "Clark/Lake", **changes})


def scores(rows: list[tuple[int, str, float, float, float]]) -> pa.Table:
    """Hours of the scores table: minutes after the start, station, actual, forecast, without the override."""
    columns: dict[str, Any] = {
        "issued_at": [(START + row[0]).astype("datetime64[us]").item() for row in rows],
        "station_id": [row[1] for row in rows],
        "target": ["entries"] * len(rows),
        "band": ["hour"] * len(rows),
        "actual": [row[2] for row in rows],
        "forecast": [row[3] for row in rows],
        "without_override": [row[4] for row in rows],
    }
    columns["origin_utc"] = columns["issued_at"]
    return pa.table(
        [
            pa.array(columns.get(field.name, [None] * len(rows)), pa.string()).dictionary_encode().cast(field.type)
            if pa.types.is_dictionary(field.type)
            else pa.array(columns.get(field.name, [None] * len(rows))).cast(field.type)
            for field in schemas.SCORES
        ],
        schema=schemas.SCORES,
    )


def test_the_ledger_is_reviewed_with_the_error_of_the_hours_that_each_override_changed(settings: Settings) -> None:
    band = hour_band(settings)
    added = pipeline.add(settings, NOW, wish())
    table = scores(
        [
            (0, "72", 100, 110, 55),  # better by 35
            (60, "72", 100, 130, 65),  # worse by 5 less than 35
            (90, "72", 100, 100, 100),  # not changed
            (0, "73", 100, 500, 1),  # another station
            (120, "72", 100, 500, 1),  # over by then
        ]
    )
    table = table.set_column(
        4, schemas.SCORES.field("band"), pa.array([band] * 5).dictionary_encode().cast(schemas.NAME)
    )
    Store(settings.data_root).write_table("scores/service_date=2024-03-05/part.parquet", table)
    (result,) = pipeline.review(settings, START + 60)
    assert (result.hours, result.error, result.error_without) == (2, 20, 40)
    assert (result.state, result.helped) == ("in force", True)
    text = markdown(overrides_document([result], station_table(settings)))
    assert text.startswith("# Overrides: 1, 1 of 1 that are scored helped")
    assert (
        f"| {added.override_id} | Clark/Lake (72) | concert | Ann | 2024-03-05 09:00 | 2024-03-05 11:00 | in force |"
        in text
    )


def hour_band(settings: Settings) -> str:
    from tasks.metrics import horizon_spans

    return horizon_spans(settings.score.bands, 60, 1)[-1].name


@pytest.mark.parametrize(("hour", "state"), [(-1, "to come"), (1, "in force"), (3, "over")])
def test_an_override_that_is_not_scored_says_how_it_stands(settings: Settings, hour: int, state: str) -> None:
    pipeline.add(settings, NOW, wish())
    (result,) = pipeline.review(settings, START + 60 * hour)
    assert (result.state, result.hours, result.helped) == (state, 0, None)


def test_what_is_unknown_is_refused_with_the_nearest(settings: Settings) -> None:
    for changes, message in (
        ({"station": "Clark Lake"}, "did you mean 'Clark/Lake'"),
        ({"station": None, "line": "Bleu"}, "did you mean 'Blue'"),
        ({"target": "entry"}, "did you mean 'entries'"),
    ):
        with pytest.raises(ConfigError, match=message):
            pipeline.add(settings, NOW, wish(**changes))
    assert pipeline.review(settings, NOW) == ()


def test_a_person_adds_lists_and_removes_on_the_command_line(settings: Settings, tmp_path: Path) -> None:
    def run(*words: str) -> Any:
        done = CliRunner().invoke(app, ["override", *words, "--data-root", str(tmp_path), "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    added = run("add", "--line", "Blue", "--factor", "1.5", "--why", "marathon", "--who", "Ann", "--hours", "3h")
    assert (added["stations"], added["factor"], added["scope"]) == (["72", "73"], 1.5, "line Blue")
    assert added["start"] < added["end"]
    (listed,) = run("list")
    assert (listed["id"], listed["state"], listed["helped"]) == (added["id"], "in force", None)
    run("remove", added["id"], "--why", "called off", "--who", "Bob")
    (removed,) = run("list")
    assert removed["state"] == "removed"
    assert removed["removed_by"].startswith("Bob at ")
    assert removed["removed_by"].endswith(": called off")
    assert len(list((tmp_path / "overrides").iterdir())) == 2


def test_an_override_needs_an_end(tmp_path: Path) -> None:
    words = ["override", "add", "--station", "72", "--factor", "1.5", "--why", "x", "--data-root", str(tmp_path)]
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, ConfigError)
    assert "by --to or how long it lasts by --hours" in str(done.exception)


def test_hours_become_whole_minutes() -> None:
    assert pipeline.whole_minutes(1.5) == np.timedelta64(90, "m")
    assert pipeline.whole_minutes(0.001) == np.timedelta64(1, "m")
