"""Each check by itself: what trips it, what must not, and what every one of them owes. A new one needs an example."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from quality_bench import DAY, NOW, STATIONS, TODAY, ZONE, Facts, Town, subjects

from tasks.ingest.city import City, simulate
from tasks.quality import checks
from tasks.quality.checks import known_checks, run_check
from tasks.settings import CHECKS, Settings


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


def nobody_at_noon() -> Town:
    town = Town()
    town.today[0, 2, town.hour(9, 15)] = 0
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


EXAMPLES: dict[str, tuple[Callable[[], Town], str, float, str]] = {
    "range": (out_of_range, "C", 5000, "5,000 entries at 2024-05-10T13:25Z, outside 0 to 200 (and 2 more times)"),
    "missing": (silent_station, "B", 1, "100% of the minutes missing on 2024-05-10 from 09:00 to 12:00 local time"),
    "frozen": (standing_counter, "A", 180, "7 exits in every interval for 180 minutes, from 2024-05-10T07:00Z"),
    "jump": (reset_counter, "D", 65_535, "65,535 entries in one interval of the hour from 10:00 local time"),
    "unknown_station": (new_station, "Depot", 1, "was never seen before 2024-05-10"),
    "clock_skew": (future_rows, "city", 0.1, "100 rows (10.0%) were ahead of our clock"),
    "duplicates": (doubled_rows, "city", 0.3, "300 of 1,000 rows (30.0%) were said twice"),
    "quiet_source": (quiet_source, "city", 42, "has said nothing for 42 minutes (last minute 2024-05-11T08:13Z)"),
}
every_check = pytest.mark.parametrize("check", known_checks())


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


def test_counts_below_the_range_are_out_of_it() -> None:
    town = Town(ranges={"exits": [2, 1000]})
    town.today[:] = 5
    town.today[1, 0, 9] = 1
    (result,) = town.results("range")
    assert (result.subject, result.observed, result.limit) == ("A", 1, 2)


def test_hours_that_a_station_usually_lacks_are_not_missing() -> None:
    town = Town()
    for counts in town.counts.values():
        counts[:, 1, town.hour(1, 5)] = np.nan
    assert subjects(town.results("missing")) == []


def test_what_is_usual_follows_the_wall_clock_where_the_clocks_change() -> None:
    town = Town()
    sunday = np.datetime64("2024-03-10")
    for week in range(4):
        day = sunday - 7 * week * DAY
        counts = np.full((2, 4, len(town.minutes(day))), 3.0)
        town.counts[str(day)], town.stations[str(day)] = counts, STATIONS
        closed = town.hour(1, 5) if week else town.hour(1, 4)  # the same wall clock: the hour from two was skipped
        counts[:, 1, closed] = np.nan
    assert len(town.minutes(sunday)) == 23 * 12
    assert subjects(town.results("missing", days=(str(sunday),))) == []
    town.counts[str(sunday)][:, 1, town.hour(1, 5)] = np.nan
    (result,) = town.results("missing", days=(str(sunday),))
    assert "from 05:00 to 06:00 local time" in result.sentence


def test_a_whole_network_that_was_silent_is_one_finding() -> None:
    town = Town()
    town.today[:, :, town.hour(9, 12)] = np.nan
    (result,) = town.results("missing")
    assert (result.kind, result.subject, result.total) == ("network", "town", 1)
    assert "from 09:00 to 12:00" in result.sentence


def test_what_may_still_come_is_not_missing() -> None:
    town = Town()
    town.today[:, 1, town.hour(21, 24)] = np.nan
    soon = np.datetime64("2024-05-11T05:00", "s")  # midnight; late after two hours
    assert "from 21:00 to 22:00" in town.results("missing", now=soon)[0].sentence
    assert "from 21:00 to 24:00" in town.results("missing", now=soon + np.timedelta64(2, "h"))[0].sentence


def test_a_network_without_history_is_held_against_itself() -> None:
    town = silent_station()
    town.counts = {str(TODAY): town.today}
    town.today[:, :, town.hour(1, 4)] = np.nan
    (result,) = town.results("missing")
    assert (result.subject, "09:00 to 12:00" in result.sentence, "01:00" in result.sentence) == ("B", True, False)


def test_a_station_that_has_left_is_missed_for_a_week() -> None:
    town = Town()
    for day, counts in town.counts.items():
        if day > str(TODAY - 10 * DAY):
            counts[:, 0] = np.nan
    assert subjects(town.results("missing", days=(str(TODAY - 4 * DAY),))) == ["A"]
    assert subjects(town.results("missing")) == []


@pytest.mark.parametrize(
    ("hours", "value", "frozen"), [(2, 7, True), (2, 0, False), (1.9, 7, False), (2, np.nan, False)]
)
def test_a_count_may_stand_still_for_less_than_the_limit_or_at_zero(hours: float, value: float, frozen: bool) -> None:
    town = Town()
    town.today[0, 3] = np.arange(288) % 2
    town.today[0, 3, 24 : 24 + int(hours * 12)] = value
    assert bool(subjects(town.results("frozen"))) == frozen


def test_quiet_stations_of_coarse_intervals_often_count_the_same_by_chance() -> None:
    town = Town(interval=15, frozen_minutes=30)
    for counts in town.counts.values():
        counts[:] = np.random.default_rng(1).poisson(1, counts.shape)
    assert subjects(town.results("frozen")) == []


def test_zero_at_night_is_a_night_and_zero_at_noon_a_broken_counter() -> None:
    town = Town()
    for counts in town.counts.values():
        counts[:, :, town.hour(0, 5)] = 0
    assert subjects(town.results("frozen")) == []
    (result,) = nobody_at_noon().results("frozen")
    assert result.subject == "C"
    assert "not one of entries on 2024-05-10 from 09:00 to 15:00 local time" in result.sentence


def test_a_crowd_at_a_quiet_station_is_no_jump_and_many_crowds_are_one() -> None:
    town = Town()
    busiest = max(counts[0, 2, town.hour(12, 13)].sum() for counts in town.counts.values())
    town.today[0, 3, town.hour(18, 19)] = busiest * 4 // 12
    assert subjects(town.results("jump")) == []
    town.today[0, 3, town.hour(18, 19)] = busiest
    (result,) = town.results("jump")
    assert result.subject == "D"
    assert "in the hour from 18:00" in result.sentence


def test_a_crowd_of_an_hour_does_not_come_in_five_minutes() -> None:
    town = Town()
    busiest = max(counts[0, 2, town.hour(12, 13)].sum() for counts in town.counts.values())
    town.today[0, 3, town.hour(18, 19)] = 0
    town.today[0, 3, town.hour(18, 19).start] = busiest * 4
    (result,) = town.results("jump")
    assert (result.subject, result.observed) == ("D", busiest * 4)
    assert "in one interval of the hour from 18:00" in result.sentence


def test_a_jump_needs_two_earlier_days_to_be_one() -> None:
    town = reset_counter()
    town.counts = {day: town.counts[day] for day in (str(TODAY - 7 * DAY), str(TODAY))}
    (result,) = town.results("jump")
    assert (result.status, "two earlier days" in result.sentence) == ("not_run", True)


def test_a_list_of_stations_is_the_last_word(tmp_path: Path) -> None:
    path = tmp_path / "stations.csv"
    path.write_text('station_id,name\n# the old ones\n"A",Mill\nB,Park\n\n')
    town = Town(stations=["C"], stations_file=str(path))
    (result,) = town.results("unknown_station")
    assert (result.subject, "is on no list" in result.sentence) == ("D", True)
    path.unlink()
    (result,) = town.results("unknown_station")
    assert result.broken
    assert "FileNotFoundError" in result.sentence


def test_a_station_that_comes_back_after_weeks_is_told_and_the_first_look_tells_none() -> None:
    town = Town()
    town.known = {**dict.fromkeys(STATIONS, str(TODAY - DAY)), "B": str(TODAY - 29 * DAY)}
    (result,) = town.results("unknown_station")
    assert (result.subject, f"last seen on {TODAY - 29 * DAY}" in result.sentence) == ("B", True)
    town.known = None
    (result,) = town.results("unknown_station")
    assert (result.status, result.broken) == ("not_run", False)


@pytest.mark.parametrize(("minutes", "said"), [(60, False), (61, True), (1439, True), (1440, False)])
def test_rows_that_just_came_in_an_hour_old_are_a_wrong_clock_and_a_day_old_are_history(
    minutes: int, said: bool
) -> None:
    town = Town()
    town.facts = (Facts(last_minute=f"{NOW.astype('datetime64[m]') - np.timedelta64(minutes + 5, 'm')}Z"),)
    assert subjects(town.results("clock_skew")) == (["city"] if said else [])
    town.backfill = True
    assert subjects(town.results("clock_skew")) == []


def test_a_handful_of_duplicates_is_never_said() -> None:
    town = Town()
    town.facts = (Facts(rows=5, rejected=5, reasons={"duplicate_row": 5}),)
    assert subjects(town.results("duplicates")) == []


def sources(*more: dict[str, object]) -> Town:
    town = Town()
    tables = [{"name": name, "kind": "simulate", **each} for name, each in zip("abc", more, strict=False)]
    town.settings = Settings(sources=tables, network={"interval_minutes": 5})
    return town


def test_quiet_sources_are_named_with_their_minutes_of_silence_the_quietest_first() -> None:
    town = sources({}, {"quiet_after_minutes": 100}, {})
    town.said = {"a": np.datetime64("2024-05-11T07:55"), "b": np.datetime64("2024-05-11T07:50"), "c": None}
    never, quiet = town.results("quiet_source")
    assert (never.subject, never.observed, never.sentence) == ("c", None, "source 'c' has never said anything")
    assert (quiet.subject, quiet.observed, quiet.limit) == ("a", 60, 30)
    assert quiet.sentence == "source 'a' has said nothing for 60 minutes (last minute 2024-05-11T07:55Z)"


def test_history_that_ended_years_ago_is_one_line() -> None:
    town = sources({})
    town.said = {"a": np.datetime64("2013-10-09T12:00")}
    (result,) = run_check("quiet_source", town.seen(now=np.datetime64("2013-10-11T12:05", "s")))
    assert result.sentence == ("source 'a' has said nothing for 2,880 minutes, 2 days (last minute 2013-10-09T12:00Z)")


def test_a_source_that_is_known_late_may_be_silent_for_longer() -> None:
    town = sources({"latency_seconds": 3600})
    town.said = {"a": np.datetime64("2024-05-11T07:30")}
    assert subjects(town.results("quiet_source")) == []
