"""Every preset reads a small input of its kind into the right minutes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.ingest_bench import Bench, at

from tasks.ingest.sources import named_source, setup_of
from tasks.settings.presets import presets

Minutes = dict[tuple[str, str], tuple[int | None, ...]]


class Example(NamedTuple):
    """Files of a preset's kind by name, and the minutes (UTC) in which somebody was counted."""

    preset: str
    network: dict[str, Any]
    files: dict[str, str]
    minutes: Minutes


TRIPS: Minutes = {
    ("31", "2024-03-04T14:05"): (1, 0),
    ("32", "2024-03-04T14:17"): (0, 1),
    ("32", "2019-03-04T14:06"): (1, 0),
    ("31", "2019-03-04T14:07"): (0, 1),
}
CHICAGO, NEW_YORK, LONDON = ({"timezone": zone} for zone in ("America/Chicago", "America/New_York", "Europe/London"))
EXAMPLES = (
    Example(
        "tides/station_activities",
        {"timezone": "America/Chicago", "interval_minutes": 15},
        {
            "a.csv": "service_date,stop_id,time_period_start,time_period_end,total_entries,total_exits\n"
            "2024-03-04,s1,2024-03-04T07:00:00,2024-03-04T07:15:00,12,3\n"
            "2024-03-04,s1,2024-03-04T07:15:00,2024-03-04T07:30:00,9,\n"
        },
        {("s1", "2024-03-04T13:00"): (12, 3), ("s1", "2024-03-04T13:15"): (9, None)},
    ),
    Example(
        "citibike/trips",
        NEW_YORK,
        {
            "new.csv": "ride_id,rideable_type,started_at,ended_at,start_station_name,start_station_id,end_station_id\n"
            "X1,classic_bike,2024-03-04 09:05:10.123,2024-03-04 09:17:00.001,A,31,32\n",
            "old.csv": "tripduration,starttime,stoptime,start station id,end station id\n"
            "60,3/4/2019 09:06:00,3/4/2019 09:07:10,32,31\n",
        },
        TRIPS,
    ),
    Example(
        "divvy/trips",
        CHICAGO,
        {
            "new.csv": "ride_id,started_at,ended_at,start_station_id,end_station_id\n"
            "X1,2024-03-04 08:05:10,2024-03-04 08:17:00,31,32\n",
            "old.csv": "trip_id,start_time,end_time,from_station_id,to_station_id\n"
            "1,2019-03-04 08:06:00,2019-03-04 08:07:10,32,31\n",
        },
        TRIPS,
    ),
    Example(
        "capital_bikeshare/trips",
        NEW_YORK,
        {
            "new.csv": "ride_id,started_at,ended_at,start_station_id,end_station_id\n"
            "X1,2024-03-04 09:05:10,2024-03-04 09:17:00,31,32\n",
            "old.csv": "Duration,Start date,End date,Start station number,Start station,End station number\n"
            "60,2019-03-04 09:06:00,2019-03-04 09:07:10,32,A,31\n",
        },
        TRIPS,
    ),
    Example(
        "tfl/cycle_hire",
        LONDON,
        {
            "new.csv": "Number,Start date,Start station number,End date,End station number\n"
            "1,2024-03-04 14:05,31,2024-03-04 14:17,32\n",
            "old.csv": "Rental Id,End Date,EndStation Id,Start Date,StartStation Id\n"
            "2,04/03/2019 14:07,31,04/03/2019 14:06,32\n",
        },
        TRIPS,
    ),
    Example(
        "tides/fare_transactions",
        CHICAGO,
        {
            "a.csv": "transaction_id,service_date,event_timestamp,amount,fare_action,stop_id\n"
            "1,2024-03-04,2024-03-04T07:00:10-06:00,2.5,Enter,s1\n"
            "2,2024-03-04,2024-03-04T07:00:20-06:00,0,Transfer entrance,s1\n"
            "3,2024-03-04,2024-03-04T07:01:00-06:00,0,Exit,s2\n"
            "4,2024-03-04,2024-03-04T07:01:00-06:00,20,Purchase,s2\n"
            "1,2024-03-04,2024-03-04T07:00:10-06:00,2.5,Enter,s1\n"
        },
        {("s1", "2024-03-04T13:00"): (2, 0), ("s2", "2024-03-04T13:01"): (0, 1)},
    ),
    Example(
        "tides/passenger_events",
        CHICAGO,
        {
            "a.csv": "passenger_event_id,service_date,event_timestamp,trip_stop_sequence,event_type,vehicle_id,stop_id,"
            "event_count\n"
            "1,2024-03-04,2024-03-04T07:00:10-06:00,1,Passenger boarded,v,s1,3\n"
            "2,2024-03-04,2024-03-04T07:00:10-06:00,1,Door opened,v,s1,1\n"
            "3,2024-03-04,2024-03-04T07:00:20-06:00,1,Passenger alighted,v,s1,2\n"
        },
        {("s1", "2024-03-04T13:00"): (3, 2)},
    ),
    Example(
        "hangzhou/afc",
        {"timezone": "Asia/Shanghai"},
        {
            "a.csv": "time,lineID,stationID,deviceID,status,userID,payType\n"
            "2024-03-04 07:00:14,C,2,2873,1,X1,1\n2024-03-04 07:00:20,C,2,2873,1,X2,1\n"
            "2024-03-04 07:01:20,A,0,2199,0,X3,2\n"
        },
        {("2", "2024-03-03T23:00"): (2, 0), ("0", "2024-03-03T23:01"): (0, 1)},
    ),
    Example(
        "bart/hourly_od",
        {"timezone": "America/Los_Angeles", "interval_minutes": 60},
        {"a.csv": "2024-03-04,7,12TH,EMBR,20\n2024-03-04,7,12TH,12TH,5\n2024-03-04,7,EMBR,12TH,4\n"},
        {("12TH", "2024-03-04T15:00"): (25, 9), ("EMBR", "2024-03-04T15:00"): (4, 20)},
    ),
    Example(
        "idfm/validations",
        {"timezone": "Europe/Paris", "interval_minutes": 15, "targets": ["entries"]},
        {
            "a.csv": "JOUR;ID_REFA_LDA;LIBELLE_ARRET;CATEGORIE_TITRE;NB_VALD\n"
            "12/03/2024 07:00;71370;A;NAVIGO;1 204\n12/03/2024 07:00;71370;A;IMAGINE R;Moins de 5\n"
            "12/03/2024 07:00;71370;A;AUTRE TITRE;6\n"
        },
        {("71370", "2024-03-12T06:00"): (1210,)},
    ),
    Example(
        "mta/hourly_ridership",
        {"timezone": "America/New_York", "interval_minutes": 60, "targets": ["entries"]},
        {
            "a.csv": "transit_timestamp,station_complex_id,payment_method,fare_class_category,ridership,transfers\n"
            '03/04/2024 07:00:00 PM,611,omny,Full Fare,"1,011",0\n03/04/2024 07:00:00 PM,611,metrocard,Full Fare,6,0\n',
            "b.csv": "transit_timestamp,station_complex_id,payment_method,fare_class_category,ridership,transfers\n"
            "2024-03-04T20:00:00.000,611,omny,Full Fare,7,0\n2024-03-04T20:00:00.000,611,omny,Students,1,0\n",
        },
        {("611", "2024-03-05T00:00"): (1017,), ("611", "2024-03-05T01:00"): (8,)},
    ),
    Example(
        "mta/turnstiles",
        {"timezone": "America/New_York", "interval_minutes": 15},
        {
            "a.txt": "C/A,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS               \n"
            "A002,R051,02-00-00,59 ST,NQR456W,BMT,03/04/2024,19:00:00,REGULAR,7183242,2433142\n"
            "A002,R051,02-00-00,59 ST,NQR456W,BMT,03/04/2024,19:15:00,RECOVR AUD,7183249,2433143\n",
        },
        {("59 ST", "2024-03-05T00:00"): (7, 1)},
    ),
    Example(
        "zurich/traffic_counts",
        dict(presets()["zurich/traffic_counts"].network),
        {
            "a.csv": "FK_STANDORT,DATUM,VELO_IN,VELO_OUT,FUSS_IN,FUSS_OUT\n4241,2024-03-04T00:15,5,6,,\n"
            "2983,2024-03-04T00:15,,,7,8\n"
        },
        {("4241", "2024-03-03T23:15"): (5, 6, None, None), ("2983", "2024-03-03T23:15"): (None, None, 7, 8)},
    ),
)


def bench_of(folder: Path, example: Example, **more: Any) -> Bench:
    source = {"name": "a", "preset": example.preset, "path": f"{folder}/feed/*", **more}
    bench = Bench(folder, source, example.network)
    for name, content in example.files.items():
        bench.put(name, content)
    return bench


def counted(bench: Bench) -> dict[tuple[str, datetime], tuple[int | None, ...]]:
    return {key: value for key, value in bench.truth().items() if any(value)}


def test_every_preset_has_an_example() -> None:
    assert sorted({example.preset for example in EXAMPLES}) == sorted(presets())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.preset)
def test_a_preset_reads_its_kind_of_data(tmp_path: Path, example: Example) -> None:
    bench = bench_of(tmp_path, example)
    report = bench.ingest()
    assert list(report.failures) == []
    assert {reason for _, reason, _ in bench.rejects()} <= {
        "duplicate_event",
        "missing_count",
    }  # a withheld count is none
    assert counted(bench) == {(station, at(minute)): value for (station, minute), value in example.minutes.items()}


def test_the_keys_decide_what_counts_as_read_and_the_name_of_the_preset_does_not(tmp_path: Path) -> None:
    example = EXAMPLES[0]
    by_name, other = bench_of(tmp_path, example), bench_of(tmp_path, example, maximum=5)
    written_out = Bench(tmp_path, {**presets()[example.preset].source, "name": "a", "path": "x"}, example.network)
    digests = [setup_of(named_source(b.settings, "a"), b.settings.network) for b in (by_name, written_out, other)]
    assert digests[0] == digests[1] != digests[2]
