"""People between two stations: rows of origin and destination, and matrices with a column per station."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from support.shapes_bench import Outcome, by_init

from tasks.ingest.inspect.answers import Answers

NAMES = ("Central", "Harbour", "Park", "Zoo")
HOURS = [datetime(2024, 5, 13, 6) + timedelta(hours=n) for n in range(12)]
COUNTS = {key: int(n) for key, n in zip(product(HOURS, NAMES, NAMES), np.random.default_rng(4).integers(0, 40, 192), strict=True)}  # fmt: skip
UTC = Answers(timezone="UTC")


def read(folder: Path, text: str, answers: Answers = UTC) -> Outcome:
    path = folder / "a.csv"
    path.write_text(text, encoding="utf-8")
    return by_init(folder, [path], answers)


def check(outcome: Outcome, *, other_way: bool = False) -> None:
    """Whether people enter at their origin and leave at their destination, in the hour of the row."""
    assert outcome.landed is not None, outcome.why
    for hour, name in product(HOURS, NAMES):
        begun = sum(COUNTS[hour, name, other] for other in NAMES)
        ended = sum(COUNTS[hour, other, name] for other in NAMES)
        landed = outcome.landed.minutes.get((name, hour), {})
        counts = (landed.get("entries") or 0, landed.get("exits") or 0)
        assert counts == ((ended, begun) if other_way else (begun, ended))
    assert len(outcome.landed.minutes) <= len(HOURS) * len(NAMES)


def long(origin: str, destination: str, count: str, *, totals: bool = False) -> str:
    rows = [f"{hour:%Y-%m-%d %H:%M},{start},{end},{n}" for (hour, start, end), n in COUNTS.items()]
    for hour in HOURS if totals else ():
        rows += [f"{hour:%Y-%m-%d %H:%M},{s},Total,{sum(COUNTS[hour, s, e] for e in NAMES)}" for s in NAMES]
        rows += [f"{hour:%Y-%m-%d %H:%M},Total,{e},{sum(COUNTS[hour, s, e] for s in NAMES)}" for e in NAMES]
    return "\n".join([f"time,{origin},{destination},{count}", *rows, ""])


@pytest.mark.parametrize(
    ("origin", "destination", "count"),
    [
        ("origin", "destination", "passengers"),
        ("from_station", "to_station", "riders"),
        ("Station Origine", "Station Destination", "Voyageurs"),
        ("boarding_station", "alighting_station", "trips"),
        ("O", "D", "pax"),
    ],
)
def test_rows_of_origin_and_destination_count_at_both(
    tmp_path: Path, origin: str, destination: str, count: str
) -> None:
    check(read(tmp_path, long(origin, destination, count)))


def test_totals_among_origins_and_destinations_are_left_out(tmp_path: Path) -> None:
    outcome = read(tmp_path, long("origin", "destination", "passengers", totals=True))
    check(outcome)
    assert outcome.found is not None
    assert outcome.found.source["where_not"] == {"origin": ["Total"], "destination": ["Total"]}


def matrix(corner: str, *, totals: bool = False) -> str:
    names = [*NAMES, *(["Total"] if totals else [])]
    lines = [f"time,{corner},{','.join(names)}"]
    for hour in HOURS:
        for start in names:
            counts = [[COUNTS[hour, s, e] for e in NAMES] for s in (NAMES if start == "Total" else (start,))]
            sums = [sum(column) for column in zip(*counts, strict=True)]
            shown = [*sums, *([sum(sums)] if totals else [])]
            lines.append(f"{hour:%Y-%m-%d %H:%M},{start},{','.join(map(str, shown))}")
    return "\n".join([*lines, ""])


@pytest.mark.parametrize("totals", [False, True])
def test_a_matrix_whose_rows_are_origins_is_read(tmp_path: Path, totals: bool) -> None:
    check(read(tmp_path, matrix("origin", totals=totals)))


def test_a_matrix_whose_rows_are_destinations_is_read_the_other_way_round(tmp_path: Path) -> None:
    check(read(tmp_path, matrix("To station")), other_way=True)


def test_a_matrix_that_does_not_say_its_way_is_asked_about(tmp_path: Path) -> None:
    asked = read(tmp_path, matrix("station"))
    assert asked.kind == "asked"
    assert "{origin}" in asked.why
    stay = ("time", "station")
    for pattern, other_way in (("{destination}", False), ("{origin}", True)):
        answers = replace(UTC, unpivot=pattern, unpivot_exclude=stay)
        check(read(tmp_path, matrix("station"), answers), other_way=other_way)
