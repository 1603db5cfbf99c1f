"""What every check owes, whatever it looks at. A new one needs one example here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from support.quality_bench import DAY, TODAY, ZONE, Facts, Town, subjects

from tasks.ingest.sources.simulate.city import City, simulate
from tasks.quality import checks
from tasks.quality.checks import known_checks
from tasks.settings.quality import CHECKS
from tasks.settings.tree import Settings


def out_of_range() -> Town:
    town = Town(ranges={"entries": [0, 200]})
    town.today[0, 2, 100:103] = (201, 5000, 300)
    return town


def silent_station() -> Town:
    town = Town()
    town.today[:, 1, town.hour(9, 12)] = np.nan
    return town


def standing_counter() -> Town:
    town = Town()
    town.today[1, 0, town.hour(2, 5)] = 7
    return town


def reset_counter() -> Town:
    town = Town()
    town.today[0, 3, 130] = 65_535
    return town


def new_station() -> Town:
    town = Town()
    town.stations[str(TODAY)] = ("A", "B", "C", "Depot")
    return town


def future_rows() -> Town:
    town = Town()
    town.facts = (Facts(rows=900, rejected=100, reasons={"in_future": 100}),)
    return town


def doubled_rows() -> Town:
    town = Town()
    town.facts = (Facts(rows=700, rejected=300, reasons={"duplicate_row": 200, "superseded_in_file": 100}),)
    return town


def quiet_source() -> Town:
    town = Town()
    town.said = {"city": np.datetime64("2024-05-11T08:13", "m")}
    return town


def two_spellings() -> Town:
    town = Town()
    town.stations[str(TODAY)] = ("A", "Châtelet", "CHATELET", "D")
    return town


def total_among_the_rows() -> Town:
    town = Town()
    town.today[0, 1] = town.today[0, [0, 2, 3]].sum(axis=0)
    return town


EXAMPLES: dict[str, tuple[Callable[[], Town], str, float, str]] = {
    "range": (out_of_range, "C", 5000, "5,000 entries at 2024-05-10T13:25Z, outside 0 to 200 (and 2 more times)"),
    "missing": (silent_station, "B", 1, "100% of the minutes missing on 2024-05-10 from 09:00 to 12:00 local time"),
    "frozen": (standing_counter, "A", 180, "7 exits in every interval for 180 minutes, from 2024-05-10T07:00Z"),
    "jump": (reset_counter, "D", 65_535, "65,535 entries in one interval of the hour from 10:00 local time"),
    "unknown_station": (new_station, "Depot", 1, "was never seen before 2024-05-10"),
    "alike_names": (two_spellings, "Châtelet", 2, "is written like 'CHATELET'"),
    "sum_of_others": (total_among_the_rows, "B", 5367, "entries are the sum of all other stations in every hour"),
    "clock_skew": (future_rows, "city", 0.1, "100 rows (10.0%) were ahead of our clock"),
    "duplicates": (doubled_rows, "city", 0.3, "300 of 1,000 rows (30.0%) were stated twice"),
    "quiet_source": (quiet_source, "city", 42, "has sent nothing for 42 minutes (last minute 2024-05-11T08:13Z)"),
}
every_check = pytest.mark.parametrize("check", known_checks())


def test_the_total_of_the_network_is_no_finding() -> None:
    town = total_among_the_rows()
    town.settings = Settings(
        network={**town.settings.network.model_dump(), "total": "B"}, quality=town.settings.quality
    )
    assert subjects(town.results("sum_of_others")) == []


def test_every_check_has_an_example_and_runs_without_being_asked_for() -> None:
    assert set(known_checks()) == set(EXAMPLES) == set(CHECKS)


@every_check
def test_a_check_names_what_it_found_with_value_limit_and_sentence(check: str) -> None:
    make, subject, observed, said = EXAMPLES[check]
    (result,) = make().results(check)
    assert (result.check, result.status, result.subject, result.total) == (check, "warning", subject, 1)
    assert result.observed == pytest.approx(observed)
    assert result.limit is not None
    assert result.limit < observed
    assert repr(subject) in result.sentence
    assert said in result.sentence
    json.dumps(asdict(result), allow_nan=False)


@every_check
def test_a_check_is_quiet_where_all_is_well(check: str) -> None:
    town = Town(ranges={"entries": [0, 200]})
    (result,) = town.results(check)
    assert (result.status, result.kind, result.subject) == ("ok", "network", "town")
    assert result.sentence


@every_check
def test_a_check_is_quiet_on_the_simulated_city_but_for_its_outages(check: str) -> None:
    last = np.datetime64("2024-05-11T12:00", "m")
    city = simulate(City(12, timezone=ZONE), last - 29 * DAY, last)
    town = Town()
    town.said = {"city": last - np.timedelta64(1, "m")}
    town.facts = (Facts(last_minute=f"{last - np.timedelta64(1, 'm')}Z"),)
    minute, kept = city.minute_utc, city.available_at <= last
    for day in np.arange(TODAY - 25 * DAY, TODAY + DAY):
        of_day = town.minutes_by(1, day)
        counts = np.full((2, 12, len(of_day)), np.nan)
        mine = kept & (minute >= of_day[0]) & (minute <= of_day[-1])
        at = city.station_id[mine], (minute[mine] - of_day[0]).astype(int)
        counts[0][at], counts[1][at] = city.entries[mine], city.exits[mine]
        town.counts[str(day)], town.stations[str(day)] = counts, city.stations
    town.interval = 1
    town.settings = Settings(network={"timezone": ZONE, "country": "US"})
    town.known = dict.fromkeys(city.stations, "2024-05-09")
    found = [
        r
        for day in np.arange(TODAY - 3 * DAY, TODAY + DAY)
        for r in town.results(check, days=(str(day),), now=last.astype("datetime64[s]"))
    ]
    assert not any(r.broken for r in found)
    assert len(subjects(found)) <= (2 if check == "missing" else 0)


@every_check
def test_a_check_with_nothing_to_look_at_says_why_and_does_not_fail(check: str) -> None:
    town = Town()
    town.counts, town.facts, town.said, town.known = {}, (), {}, None
    for result in town.results(check):
        assert not result.broken
        assert result.status == ("warning" if check == "quiet_source" else "not_run")
        assert result.sentence


@every_check
def test_whatever_a_check_runs_into_is_a_result(check: str) -> None:
    town = Town(ranges={"entries": [0, 200]})
    town.table = town.said = town.facts = None  # type: ignore[assignment, method-assign]
    (result,) = town.results(check)
    assert (result.status, result.broken) == ("not_run", True)
    assert "the check itself failed: " in result.sentence


def test_an_unknown_check_is_named_with_the_nearest_and_fails_nothing() -> None:
    (result,) = Town().results("frozzen")
    assert (result.status, result.broken) == ("not_run", False)
    assert "did you mean 'frozen'?" in result.sentence


def test_a_file_in_the_folder_is_a_check(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(
        "from tasks.quality.results import Finding, Verdict\n"
        "def check(seen):\n"
        "    limit = seen.config.options['odd']['limit']\n"
        "    return Verdict([Finding('network', 'town', 3, limit, 'odd')], 'even')\n"
    )
    checks.__path__.append(str(tmp_path))
    try:
        assert "odd" in known_checks()
        (result,) = Town(options={"odd": {"limit": 2}}).results("odd")
    finally:
        checks.__path__.remove(str(tmp_path))
    assert (result.check, result.status, result.limit) == ("odd", "warning", 2)


def test_only_the_worst_are_shown_and_all_are_counted() -> None:
    town = Town(ranges={"entries": [0, 200]}, worst=2)
    town.today[0, :, 50] = (300, 500, 400, 201)
    results = town.results("range")
    assert subjects(results) == ["B", "C"]
    assert {r.total for r in results} == {4}
