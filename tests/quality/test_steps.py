"""The checks as an ingest runs them: on what it touched, kept for the next run, never in its way."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.ingest_bench import Bench

from flows.cli import output
from flows.machine.doctor import examine
from flows.pipelines import loop
from flows.pipelines.run_reports import IngestReport, NothingRead
from flows.reports.document import markdown
from flows.reports.loop_reports import ingest_document, late_lines, quality_table
from tasks.ingest.steps import last_minutes
from tasks.quality.context import days_to_look_at
from tasks.quality.results import QualityResult
from tasks.quality.steps import LATEST, STATIONS
from tasks.settings.tree import Settings
from tasks.tables.staleness import LateReport

NOW = np.datetime64("2024-05-10T12:10", "s")
NETWORK = {"name": "town", "timezone": "Europe/London", "interval_minutes": 5, "targets": ("entries",)}
HEADER = ("station_id", "minute_utc", "entries")


class Town(Bench):
    """A bench with settings of the quality checks."""

    def __post_init__(self) -> None:
        self.quality: dict[str, Any] = {}

    @property
    def settings(self) -> Settings:
        return super().settings.model_copy(update={"quality": Settings(quality=self.quality).quality})

    def turn(self, now: np.datetime64 = NOW, **more: Any) -> IngestReport:
        return loop.ingest(self.settings, now, **more)


@pytest.fixture
def town(tmp_path: Path) -> Town:
    """Two days of two stations up to NOW, one row too many people."""
    bench = Town.counts(tmp_path, NETWORK)
    bench.quality = {"ranges": {"entries": [0, 100]}}
    minutes = np.arange("2024-05-09", "2024-05-10T12:05", 5, dtype="datetime64[m]")
    rows = [(name, f"{t}Z", 900 if name == "B" and i == 396 else i % 7) for name in "AB" for i, t in enumerate(minutes)]
    bench.put_rows("a.csv", HEADER, rows)
    return bench


def later(bench: Bench, minute: str, stations: str = "AB") -> None:
    bench.put_rows(f"{minute[-5:]}.csv".replace(":", ""), HEADER, [(name, f"{minute}Z", 3) for name in stations])


def of(report: IngestReport, check: str) -> list[QualityResult]:
    return [r for r in report.quality if r.check == check]


def test_an_ingest_reports_every_check_by_name_and_leaves_the_results_in_the_data_root(town: Town) -> None:
    report = town.turn()
    assert list(dict.fromkeys(r.check for r in report.quality)) == list(town.settings.quality.checks)
    (warning,) = of(report, "range")
    assert (warning.status, warning.subject, warning.observed, warning.limit) == ("warning", "B", 900, 100)
    assert (warning.since, warning.new) == ("2024-05-10T12:10:00Z", True)
    kept = town.store.read_json(LATEST)
    assert kept["as_of"] == "2024-05-10T12:10:00Z"
    assert kept["results"] == output.to_json(report.quality)


def test_a_warning_that_goes_on_is_new_once_and_keeps_its_beginning(town: Town) -> None:
    town.turn()
    later(town, "2024-05-10T12:05")
    (again,) = of(town.turn(NOW + np.timedelta64(5, "m")), "range")
    assert (again.since, again.new) == ("2024-05-10T12:10:00Z", False)
    town.quality = {"ranges": {"entries": [0, 1000]}}
    assert of(town.turn(NOW + np.timedelta64(6, "m")), "range")[0].status == "ok"
    town.quality = {"ranges": {"entries": [0, 100]}}
    (anew,) = of(town.turn(NOW + np.timedelta64(7, "m")), "range")
    assert (anew.since, anew.new) == ("2024-05-10T12:17:00Z", True)


def test_a_new_station_is_told_once(town: Town) -> None:
    (first,) = of(town.turn(), "unknown_station")
    assert (first.status, first.broken) == ("not_run", False)
    assert town.store.read_json(STATIONS) == {"A": "2024-05-10", "B": "2024-05-10"}
    later(town, "2024-05-10T12:05", "ABX")
    (told,) = of(town.turn(NOW + np.timedelta64(5, "m")), "unknown_station")
    assert (told.status, told.subject) == ("warning", "X")
    assert of(town.turn(NOW + np.timedelta64(6, "m")), "unknown_station")[0].status == "ok"


def test_a_source_that_stays_quiet_is_named_with_its_minutes_though_nothing_came_in(town: Town) -> None:
    town.turn()
    report = town.turn(NOW + np.timedelta64(40, "m"))
    assert report.sources[0].rows == 0
    (quiet,) = of(report, "quiet_source")
    assert quiet.sentence == "source 'gates' has sent nothing for 45 minutes (last minute 2024-05-10T12:00Z)"
    assert (quiet.kind, quiet.subject, quiet.observed, quiet.limit) == ("source", "gates", 45, 30)
    assert last_minutes(town.settings) == {"gates": np.datetime64("2024-05-10T12:00")}


def test_when_nothing_can_be_read_at_all_the_silence_is_reported_with_the_failure(town: Town) -> None:
    town.turn()
    for path in (town.folder / "feed").iterdir():
        path.unlink()
    with pytest.raises(NothingRead, match="gates") as caught:
        town.turn(NOW + np.timedelta64(3, "h"))
    assert "185 minutes" in of(caught.value.report, "quiet_source")[0].sentence
    assert caught.value.report.failures


def test_how_long_a_source_may_be_silent_is_no_reason_to_read_its_files_again(town: Town) -> None:
    town.turn()
    town.source["quiet_after_minutes"] = 500
    report = town.turn(NOW + np.timedelta64(3, "h"))
    assert (report.sources[0].skipped, of(report, "quiet_source")[0].status) == (1, "ok")


@pytest.mark.parametrize("content", [b"torn", b"[]", b'{"results": [{}]}'])
def test_state_that_cannot_be_read_is_written_anew(town: Town, content: bytes) -> None:
    for path in (LATEST, STATIONS):
        town.store.write_bytes(path, content)
    assert not any(r.broken for r in town.turn().quality)
    assert town.store.read_json(LATEST)["results"]
    assert town.store.read_json(STATIONS)["A"] == "2024-05-10"


def test_an_ingest_whose_checks_cannot_be_kept_or_made_has_still_written(town: Town) -> None:
    town.store.write_bytes("quality", b"a file where the folder should be")
    report = town.turn()
    assert report.sources[0].rows == len(town.truth()) == 866
    assert of(report, "range")[0].subject == "B"
    (failed,) = (r for r in report.quality if r.broken)
    assert (failed.check, "cannot be written" in failed.sentence) == ("quality", True)
    town.store.delete("quality")
    town.store.write_bytes("minutes/service_date=2024-05-10/part.parquet", b"torn")
    town.store.write_bytes("observations/service_date=2024-05-10/torn.parquet", b"torn")
    broken = {r.check for r in town.turn(NOW + np.timedelta64(1, "m")).quality if r.broken}
    assert broken == {"missing", "frozen", "jump", "range", "unknown_station", "alike_names", "sum_of_others"}


def test_only_the_newest_days_that_were_touched_and_the_last_hours_are_looked_at() -> None:
    settings = Settings(quality={"days": 2, "recent_hours": 6}, network={"timezone": "America/Chicago"})
    touched = [str(day) for day in np.arange("2024-03-01", "2024-04-01", dtype="datetime64[D]")]
    at = np.datetime64("2024-05-10T10:59", "s")  # 05:59 local time
    assert days_to_look_at(settings, touched, at) == ("2024-03-30", "2024-03-31", "2024-05-09", "2024-05-10")
    later = at + np.timedelta64(1, "m")
    assert days_to_look_at(settings, [], later) == ("2024-05-10",)
    assert days_to_look_at(settings, ["2024-05-12"], later) == ("2024-05-10",)


def test_history_that_was_touched_is_looked_at_however_old_it_is(town: Town) -> None:
    years_later = NOW + np.timedelta64(1000, "D")
    report = town.turn(years_later, backfill=True)
    assert of(report, "range")[0].subject == "B"
    assert of(report, "clock_skew")[0].status == "ok"
    again = town.turn(years_later)
    assert {r.check for r in again.quality if r.status == "warning"} == {"quiet_source"}


def test_people_read_warnings_on_the_terminal_and_every_result_in_the_artifact(
    town: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    report = town.turn()
    output.show(ingest_document(report))
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("quality: ")] == [
        "quality: range: station 'B': 900 entries at 2024-05-10T09:00Z, outside 0 to 100"
    ]
    said = markdown(ingest_document(report))
    assert "## Quality: 1 warning\n" in said
    assert "| check | result | finding | observed | limit | since (UTC) |\n|---|---|---|---:|---:|---:|\n" in said
    assert said.index("⚠ warning | station 'B'") < said.index("| not run |") < said.index("| ok |")
    assert "| 900 | 100 | 2024-05-10T12:10 |" in said


def test_hidden_warnings_are_counted_on_the_terminal_and_in_the_artifact(town: Town) -> None:
    town.quality = {"ranges": {"entries": [0, 0.5]}, "worst": 1}
    report = town.turn()
    assert "quality: range: and 1 more" in (quality_table(report.quality).lines or ())
    assert "## Quality: 2 warnings, the worst 1 below" in markdown(ingest_document(report))


def test_what_late_data_touched_is_said_in_a_line(town: Town) -> None:
    report = town.turn()
    days = [f"2024-04-0{n}" for n in range(1, 6)]
    source = replace(report.sources[0], late=LateReport(["2024-04-01"], days, days[:2], []))
    (line,) = late_lines(replace(report, sources=(source,)))
    assert "late data of 2024-04-01 touched the lags of 5 days (2024-04-01 to 2024-04-05)" in line
    assert "forecasts of 2024-04-01, 2024-04-02 and scores of no day" in line
    assert line in ingest_document(replace(report, sources=(source,))).blocks
    assert late_lines(report) == []


def test_the_doctor_names_quiet_sources_and_the_warnings_of_the_last_ingest(town: Town) -> None:
    settings, late = town.settings, NOW + np.timedelta64(2, "h")
    before = {check.name: check for check in examine(settings, NOW)}
    assert (before["sources"].ok, "never sent anything" in before["sources"].finding) == (False, True)
    town.turn()
    well = {check.name: check for check in examine(settings, NOW)}
    assert (well["sources"].ok, well["quality"].ok) == (True, True)
    assert "range: station 'B': 900 entries" in well["quality"].finding
    ill = {check.name: check for check in examine(settings, late)}
    assert (ill["sources"].ok, "for 125 minutes" in ill["sources"].finding) == (False, True)


def test_the_report_with_its_results_is_json(town: Town) -> None:
    said = json.loads(json.dumps(output.to_json(town.turn())))
    assert {"check", "status", "kind", "subject", "observed", "limit", "sentence"} <= set(said["quality"][0])
    assert set(said["sources"][0]["late"]) == {"days", "lag_days", "forecast_days", "score_days"}
