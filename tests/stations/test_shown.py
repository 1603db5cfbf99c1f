"""Names of stations stand wherever people read an id, and do no harm there."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from matplotlib.text import Text
from support import tiny_city
from support.publications import publication
from support.quality_bench import TODAY, Town

import tasks.publish
from flows.cli.output import show
from flows.machine.doctor import Check, examine
from flows.pipelines.run_reports import ForecastReport
from flows.reports.document import embed_picture, markdown
from flows.reports.loop_reports import forecast_document
from tasks.contracts import Prediction
from tasks.model.plots import plots
from tasks.model.promotion.decision import Decision
from tasks.model.review.description import describe_training, join
from tasks.model.review.pictures import retrain_pictures
from tasks.model.review.tables import as_csv, station_rows
from tasks.model.training.train import train
from tasks.plot_style import station_title
from tasks.publish.latest_json import latest_document
from tasks.publish.steps import publish
from tasks.settings.tree import Settings
from tasks.stations.table import NO_STATIONS, Station, StationTable
from tasks.storage.store import Store
from tasks.tables.forecasts import forecast_table

ORIGIN = np.datetime64("2024-03-05T09:00", "m")
SUMMARY: dict[str, Any] = {
    "network": "Metro",
    "timezone": "UTC",
    "interval_minutes": 60,
    "issued_at": "2024-03-05T09:00:20Z",
    "issued_local": "2024-03-05T09:00:20+00:00",
    "origin_utc": "2024-03-05T09:00:00Z",
    "origin_local": "2024-03-05T09:00+00:00",
    "end_local": "2024-03-05T10:00+00:00",
    "model_version": "3",
    "degraded_reason": None,
    "verdicts": [],
    "stations": 2,
    "totals": {"entries": 3.0},
    "busiest": [{"station_id": "72", "entries": 2.0}, {"station_id": "73", "entries": 1.0}],
}
NASTY = '=HYPERLINK("http://x")|<img src=x onerror=alert(1)> $\\frac$ `[b](c)`'
TABLE = StationTable({"72": Station("72", NASTY, 41.88, -87.63, capacity=12), "99": Station("99", "Elsewhere")})


def one_pixel() -> bytes:
    """A picture of one pixel."""
    from PIL import Image

    out = BytesIO()
    Image.new("RGB", (1, 1)).save(out, "PNG")
    return out.getvalue()


def forecasts(names: list[str] = ["72", "73"]) -> Any:  # noqa: B006 - it is only read
    shape = (1, 1, len(names), 1)
    prediction = Prediction(np.ones(shape, np.float32), np.ones((7, *shape), np.float32))
    origin = np.array([ORIGIN])
    return forecast_table(prediction, origin, origin, names, ("entries",), 60, "3", None)


def stations_file(folder: Path, rows: str) -> dict[str, str]:
    path = folder / "stations.csv"
    path.write_text("station_id,name,latitude,longitude,line,zone,capacity\n" + rows)
    return {"file": str(path)}


def test_latest_json_holds_what_is_known_of_the_stations_that_it_forecasts(tmp_path: Path) -> None:
    stations = stations_file(tmp_path, '72,"Clark <b>Lake</b>",41.88,-87.63,Blue,,12\n73,,,,,,\n99,Elsewhere,,,,,\n')
    settings = Settings(data_root=str(tmp_path / "root"), stations=stations)
    document = json.loads(
        Path(publish(settings, "latest_json", publication(settings, forecasts(), SUMMARY))).read_text()
    )
    facts = {"name": "Clark <b>Lake</b>", "line": "Blue", "latitude": 41.88, "longitude": -87.63, "capacity": 12}
    assert document.pop("station_information") == {"72": facts}
    assert document == latest_document(publication(settings, forecasts(), SUMMARY))
    schema = json.loads((Path(tasks.publish.__file__).parent / "latest.schema.json").read_text())
    whole = {**document, "station_information": {"72": facts}}
    assert not list(Draft202012Validator(schema).iter_errors(whole))
    assert list(Draft202012Validator(schema).iter_errors({**whole, "station_information": {"72": {"lat": 1}}}))


def test_a_station_file_that_cannot_be_used_stops_no_publication(tmp_path: Path) -> None:
    settings = Settings(data_root=str(tmp_path), stations={"file": str(tmp_path / "gone.csv")})
    document = json.loads(
        Path(publish(settings, "latest_json", publication(settings, forecasts(), SUMMARY))).read_text()
    )
    assert "station_information" not in document


def test_the_forecast_s_report_names_stations_and_shows_names_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    concert = {"who": "Ann", "scope": "99", "factor": 1.5, "to": "2024-03-05T11:00:00Z", "why": "concert"}
    report = ForecastReport(cast(Any, SimpleNamespace(summary={**SUMMARY, "overrides": [concert]})), {})
    text = markdown(forecast_document(report, TABLE, embed_picture(one_pixel(), f"entries at {NASTY}")))
    assert "<img" not in text
    assert "&lt;img src=x onerror=alert(1)&gt; $\\\\frac$ \\`\\[b\\](c)\\` (72) | 2.00 |" in text
    assert "| 73 | 1.00 |" in text
    assert "Ann multiplies Elsewhere (99) by 1.5 until 2024-03-05T11:00:00Z: concert" in text
    show(forecast_document(report, StationTable({"72": Station("72", "[red]Lake[/red]")}, problem="the file is gone")))
    terminal = capsys.readouterr().err
    assert "[red]Lake[/red] (72)" in terminal
    assert "WARNING the file is gone" in terminal


def test_quality_findings_name_their_station_and_keep_its_id(tmp_path: Path) -> None:
    town = Town(ranges={"entries": [0, 200]})
    town.today[0, 2, 100] = 5000
    town.today[0, 3, 100] = 5000
    stations = stations_file(tmp_path, "C,Clark/Lake,,,,,\n")
    town.settings = town.settings.model_copy(update={"stations": Settings(stations=stations).stations})
    found = {result.subject: result.sentence for result in town.results("range")}
    assert found["C"].startswith("station 'C' (Clark/Lake): 5,000 entries at ")
    assert found["D"].startswith("station 'D': 5,000 entries at ")


def doctor(settings: Settings) -> Check:
    return next(check for check in examine(settings, TODAY.astype("datetime64[us]")) if check.name == "stations")


def test_doctor_tells_entries_never_heard_and_stations_without_one(tmp_path: Path) -> None:
    root = str(tmp_path / "root")
    assert doctor(Settings(data_root=root)).finding.startswith("no station table")
    settings = Settings(data_root=root, stations=stations_file(tmp_path, "A,Ace,95,0,,,\nB,Bond,,,,,\nC,,,,,,\n"))
    Store(root).write_json("quality/stations.json", {"A": "2024-05-09", "Depot": "2024-05-09"})
    check = doctor(settings)
    assert check.ok
    assert "3 entries in " in check.finding
    assert "1 with coordinates that are none" in check.finding
    assert check.finding.endswith("never reported: 2, such as 'B'; reported without an entry: 1, such as 'Depot'")
    Path(str(settings.stations.file)).write_text("<html>")
    assert not doctor(settings).ok
    assert "is HTML or XML" in doctor(settings).finding


def test_a_run_in_mlflow_names_stations_in_its_words_tables_and_pictures() -> None:
    made = train(tiny_city.features(), tiny_city.settings(), tiny_city.AS_OF, "weekday_level")
    table = StationTable({"central": Station("central", NASTY), "museum": Station("museum", "Musée")})
    lost = {name: {**row, "mae_hour": 9e3} for name, row in made.scores["weekday_mean"].by_station.items()}
    worse = replace(made, scores={**made.scores, "challenger": replace(made.scores["challenger"], by_station=lost)})
    said = join(describe_training(worse, Decision(True, "It was better.", 4, (), ()), {"data": "abc"}, table))
    assert "| Musée (museum)" in said
    assert "<img" not in said
    assert "name" not in station_rows(made)[0]
    csv = as_csv(station_rows(made, table))
    assert csv.startswith("station_id,name,people_a_day,")
    assert 'central,"\'=HYPERLINK(""http://x"")' in csv
    assert "\nharbour,," in csv
    titles = {name: figure.texts[0].get_text() for name, figure in retrain_pictures(made, "UTC", table)}
    assert titles["next_hour_station"].startswith("The next hour, entries at =HYPERLINK(")
    assert titles["training_validation_holdout"].endswith("… (central)")


def test_a_name_in_a_title_is_no_mathematics_and_is_cut() -> None:
    assert station_title("Gare de l'Est", "72") == "Gare de l'Est (72)"
    assert station_title("春熙路", "72") == station_title(None, "72") == station_title("72", "72") == "72"
    assert station_title("x" * 300, "72") == "x" * 31 + "… (72)"
    hours = np.arange("2024-05-01T00:00", "2024-05-01T04:00", 60, dtype="datetime64[m]")
    day = plots.Day("training", hours, *(np.ones(4) for _ in range(4)))
    figure = plots.days_by_part([day], "entries at A$\\frac$B")
    figure.savefig(BytesIO())
    assert any("A$\\frac$B" in text.get_text() for text in figure.findobj(Text))


def test_without_a_table_people_read_ids() -> None:
    assert NO_STATIONS.label("72") == "72"
    assert Station("72", "72").label == "72"
