"""Shapes in which operators publish, each by configuration and by `nexthour init`, value by value."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.ingest_bench import Bench
from support.shapes_bench import LATER, by_init, differences, expected_of, minutes_of

from tasks.errors import SourceError
from tasks.ingest.inspect.answers import Answers

CASES = Path(os.environ.get("NEXTHOUR_CASES", Path(__file__).parents[2].parent / "shared" / "cases"))
Table = Mapping[str, Any]


class Case(NamedTuple):
    """Files of one shape.

    Attributes:
        path: of a file or folder, below the cases.
        zone: whose clocks its times show.
        interval: minutes.
        source: keys that read it.
        expected: name of the table beside it.
        targets: of the network.
        zeros: whether minutes between events are zero, and need not be expected.
        aliases: of stations.
    """

    path: str
    zone: str
    interval: int
    source: Table
    expected: str = "expected.csv"
    targets: tuple[str, ...] = ("entries", "exits")
    zeros: bool = False
    aliases: Mapping[str, str] = {}

    @property
    def file(self) -> Path:
        """Where it lies; skips the test where it does not."""
        if not (CASES / self.path).exists():
            pytest.skip(f"{CASES / self.path} is absent: set NEXTHOUR_CASES to the folder of the cases")
        return CASES / self.path

    @property
    def truth(self) -> Path:
        """The table that is right."""
        return CASES / self.path.split("/")[0] / self.expected


def counts(**keys: Any) -> Table:
    return {"kind": "counts", **keys}


def events(**keys: Any) -> Table:
    return {"kind": "events", **keys}


def side(time: Any, station: str, **more: Any) -> Table:
    return {"time": time, "station_id": station, **more}


MTA = {"station_id": "station_complex_id", "minute": "transit_timestamp", "entries": "ridership"}
WRITTEN = {
    "delimiter": ";",
    "thousands": [",", " ", "'", "."],
    "decimal": [",", "."],
    "missing": ["Moins de 5", "<5", "-", "N/A", "n/d", "."],
}
ENDING = {"station_id": "Site Name", "entries": "Total Volume"}
CONFIGURED = {
    "01 direction of a tap in one column": Case(
        "01-hangzhou-afc-direction-column/record_2019-01-07.csv",
        "Asia/Shanghai",
        1,
        events(
            events={
                "entries": side("time", "stationID", where={"status": ["1"]}),
                "exits": side("time", "stationID", where={"status": ["0"]}),
            }
        ),
        zeros=True,
    ),
    **{
        f"04 a column per quarter hour, {kind}": Case(
            f"04-tfl-numbat-wide-xlsx/NBT23TWT_entryexit.{kind}",
            "Europe/London",
            15,
            counts(
                constants={"day": "2023-11-08"},
                unpivot={"pattern": "%H%M-*", "value": "people"},
                columns={
                    "station_id": "Station",
                    "minute": ["day", "interval"],
                    "entries": {"column": "people", "where": {"Direction": ["Entry"]}},
                    "exits": {"column": "people", "where": {"Direction": ["Exit"]}},
                },
            ),
        )
        for kind in ("csv", "xlsx")
    },
    "06 date and time in two columns": Case(
        "06-austin-bcycle-date-and-time-columns/TripReport-012022.csv",
        "America/Chicago",
        1,
        events(
            time_format="%m/%d/%Y %H:%M:%S",
            events={"entries": side(["CheckoutDateLocal", "CheckoutTimeLocal"], "CheckoutKioskID")},
        ),
        zeros=True,
    ),
    "08 day/month/year": Case(
        "08-london-cycles-day-month-year/52JourneyData.csv",
        "Europe/London",
        1,
        events(
            time_format="%d/%m/%Y %H:%M",
            events={
                "entries": side("Start Date", "StartStation Id"),
                "exits": side("End Date", "EndStation Id"),
            },
        ),
        zeros=True,
    ),
    "10 ids as text, as numbers, and as doubles": Case(
        "10-station-ids-as-floats",
        "America/New_York",
        1,
        events(path="202103*", events={"entries": side("started_at", "start_station_id")}),
        zeros=True,
        aliases={"5379.1": "5379.10", "5379.10": "5379.10"},
    ),
    "11 no header, the hour in a column of its own": Case(
        "11-bart-od-no-header-hourly/date-hour-soo-dest-2018.csv.gz",
        "America/Los_Angeles",
        60,
        events(
            header=["date", "hour", "from", "to", "people"],
            events={
                "entries": side(["date", "hour"], "from", count="people"),
                "exits": side(["date", "hour"], "to", count="people"),
            },
        ),
    ),
    "12 twelve hours, thousands, one row per payment and fare class": Case(
        "12-mta-hourly-ridership/MTA_Subway_Hourly_Ridership.csv",
        "America/New_York",
        60,
        counts(rows="sum", time_format="%m/%d/%Y %I:%M:%S %p", thousands=",", columns=MTA),
    ),
    "12 ISO": Case("12-mta-hourly-ridership/iso_hourly.csv", "America/New_York", 60, counts(rows="sum", columns=MTA)),
    "13 quarter hours in the night of the autumn change": Case(
        "13-zurich-quarter-hours-autumn/2023_verkehrszaehlungen_werte_fussgaenger_velo.csv",
        "Europe/Zurich",
        15,
        counts(
            columns={
                "station_id": "FK_STANDORT",
                "minute": "DATUM",
                "velo_in": "VELO_IN",
                "velo_out": "VELO_OUT",
                "fuss_in": "FUSS_IN",
                "fuss_out": "FUSS_OUT",
            }
        ),
        targets=("velo_in", "velo_out", "fuss_in", "fuss_out"),
    ),
    "14 semicolons, Latin-1, small counts withheld": Case(
        "14-idfm-validations/2024_S1_NB_FER.csv",
        "Europe/Paris",
        15,
        counts(
            encoding="latin-1",
            time_format="%d/%m/%Y %H:%M",
            thousands=" ",
            missing=["Moins de 5"],
            rows="sum",
            columns={"station_id": "ID_REFA_LDA", "minute": "JOUR", "entries": "NB_VALD"},
        ),
    ),
    "15 columns parted by blanks": Case(
        "15-taipei-od-blanks/od_201812.csv",
        "Asia/Taipei",
        60,
        events(
            delimiter="blanks",
            skip_footer=1,
            events={
                "entries": side(["日期", "時段"], "進站", count="人次"),
                "exits": side(["日期", "時段"], "出站", count="人次"),
            },
        ),
    ),
    "16 a zip of several CSV": Case(
        "16-zip-of-several-csv/2023-tripdata.zip",
        "America/Chicago",
        1,
        events(events={"entries": side("started_at", "start_station_id")}),
        zeros=True,
    ),
    "17 hive folders, another type in each file": Case(
        "17-parquet-hive-mixed-types/lake",
        "Asia/Seoul",
        1,
        counts(
            path="**/*.parquet",
            columns={"station_id": "stop", "minute": "at", "entries": "ins", "exits": "outs"},
        ),
    ),
    "18 a logger that drifts by seconds": Case("18-counter-clock-drifts-by-seconds/counts.csv", "UTC", 1, counts()),
    "19 counts as people write them": Case(
        "19-counts-as-people-write-them/counts.csv", "UTC", 15, counts(**WRITTEN), targets=("entries",)
    ),
    "20 the last minute of the interval": Case(
        "20-webtris-period-ending/webtris.csv",
        "Europe/London",
        15,
        counts(time_is="last_minute", columns={**ENDING, "minute": ["Report Date", "Time Period Ending"]}),
    ),
    "20 the end of the interval": Case(
        "20-webtris-period-ending/webtris.csv",
        "Europe/London",
        15,
        counts(time_is="end", columns={**ENDING, "minute": "ending15"}),
    ),
    "21 readings finer than a minute": Case("21-readings-finer-than-a-minute/counts.csv", "UTC", 1, counts(rows="sum")),
    "25 an ISO date column beside a time column": Case(
        "25-iso-date-column-taken-as-midnight/trips.csv",
        "America/Chicago",
        1,
        events(events={"entries": side(["date", "time"], "station")}),
        zeros=True,
    ),
    "25 an ISO date column beside an hour": Case(
        "25-iso-date-column-taken-as-midnight/hourly.csv",
        "America/Chicago",
        60,
        counts(columns={"station_id": "origin", "minute": ["date", "hour"], "entries": "trips"}),
        expected="expected-hourly.csv",
    ),
}


@pytest.mark.parametrize("name", CONFIGURED)
def test_a_case_is_read_right_by_its_configuration(name: str, tmp_path: Path) -> None:
    case = CONFIGURED[name]
    path = f"{case.file}/{case.source['path']}" if "path" in case.source else str(case.file)
    network = {"timezone": case.zone, "interval_minutes": case.interval, "targets": list(case.targets)}
    stations = {"aliases": dict(case.aliases)} if case.aliases else {}
    bench = Bench(tmp_path, {"name": "case", **case.source, "path": path}, network, stations=stations)
    report = bench.ingest(LATER, backfill=True)
    assert (report.failures, report.problem) == ([], None)
    assert differences(minutes_of(bench.settings, report.days), expected_of(case.truth), zeros=case.zeros) == []


def test_readings_of_counters_hours_apart_are_rejected_by_name(tmp_path: Path) -> None:
    case = Case("02-nyc-turnstile-cumulative/joined_190907.csv", "America/New_York", 60, {})
    columns = {"station_id": "STATION", "minute": "DATETIME", "entries": "ENTRIES", "exits": "EXITS"}
    network = {"timezone": case.zone, "interval_minutes": case.interval}
    bench = Bench.counts(tmp_path, network, path=str(case.file), columns=columns)
    with pytest.raises(SourceError, match="'ENTRIES' only grows"):
        bench.ingest(LATER, backfill=True)
    assert bench.truth() == {}


class Told(NamedTuple):
    """Options that `nexthour init` needs beside the time zone."""

    answers: Mapping[str, Any] = {}
    keys: Mapping[str, Any] = {}


BY_INIT = {
    "01 direction of a tap in one column": Told({"entries": "status=1", "exits": "status=0"}),
    **{
        f"04 a column per quarter hour, {kind}": Told({"constants": {"day": "2023-11-08"}, "station": ("Station",)})
        for kind in ("csv", "xlsx")
    },
    "06 date and time in two columns": Told({"time_format": ("%m/%d/%Y %H:%M:%S",)}),
    "08 day/month/year": Told(),
    "11 no header, the hour in a column of its own": Told(
        keys={"header": ["date", "hour", "origin", "destination", "count"]}
    ),
    "12 twelve hours, thousands, one row per payment and fare class": Told({"time_format": ("%m/%d/%Y %I:%M:%S %p",)}),
    "12 ISO": Told(),
    "13 quarter hours in the night of the autumn change": Told(),
    "14 semicolons, Latin-1, small counts withheld": Told({"time_format": ("%d/%m/%Y %H:%M",)}),
    "15 columns parted by blanks": Told(),
    "16 a zip of several CSV": Told(),
    "17 hive folders, another type in each file": Told(),
    "18 a logger that drifts by seconds": Told(),
    "19 counts as people write them": Told(),
    "20 the last minute of the interval": Told({"time": (("Report Date", "Time Period Ending"),)}),
    "20 the end of the interval": Told({"time": (("ending15",),), "time_is": "end"}),
    "21 readings finer than a minute": Told({"rows": "sum"}),
    "25 an ISO date column beside a time column": Told(),
    "25 an ISO date column beside an hour": Told(),
}


@pytest.mark.parametrize("name", BY_INIT)
def test_a_case_is_read_right_by_init_once_its_questions_are_answered(name: str, tmp_path: Path) -> None:
    case, told = CONFIGURED[name], BY_INIT[name]
    zone = Answers(timezone=case.zone)
    if told != Told():
        assert by_init(tmp_path, [case.file], zone).kind == "asked"
    answered = by_init(tmp_path, [case.file], replace(zone, **told.answers), told.keys)
    assert (answered.kind, answered.why, answered.landed is not None) == ("landed", "", True)
    assert answered.landed is not None
    assert differences(answered.landed.minutes, expected_of(case.truth), zeros=True) == []


@pytest.mark.parametrize("file", ["joined_190907.csv", "turnstile_190907.txt"])
def test_init_rejects_readings_of_counters_hours_apart(file: str, tmp_path: Path) -> None:
    path = Case(f"02-nyc-turnstile-cumulative/{file}", "America/New_York", 60, {}).file
    outcome = by_init(tmp_path, [path], Answers(timezone="America/New_York"))
    assert outcome.kind == "rejected"
    assert "240 minutes apart" in outcome.why
