"""What trips the checks of counts, and what must not: nights, crowds, clock changes, stations that left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.quality_bench import DAY, STATIONS, TODAY, Town, subjects


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
    town = Town()
    town.today[:, 1, town.hour(9, 12)] = np.nan
    town.counts = {str(TODAY): town.today}
    town.today[:, :, town.hour(1, 4)] = np.nan
    (result,) = town.results("missing")
    assert (result.subject, "09:00 to 12:00" in result.sentence, "01:00" in result.sentence) == ("B", True, False)


def test_a_target_that_a_station_never_counts_is_not_missing_on_the_first_day() -> None:
    town = Town()
    town.counts = {str(TODAY): town.today}
    town.today[1, 0] = np.nan
    assert subjects(town.results("missing")) == []
    town.today[0, 0, town.hour(9, 12)] = np.nan
    (result,) = town.results("missing")
    assert (result.subject, "09:00 to 12:00" in result.sentence) == ("A", True)
    assert result.observed == 1


def test_most_stations_without_a_target_are_no_silent_network() -> None:
    town = Town()
    town.counts = {str(TODAY): town.today}
    town.today[1, :3] = np.nan
    assert subjects(town.results("missing")) == []
    town = Town()
    town.today[1, 0] = np.nan  # it counted them every week before
    assert subjects(town.results("missing")) == ["A"]


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
    town.today[0, 2, town.hour(9, 15)] = 0
    (result,) = town.results("frozen")
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
    town = Town()
    town.today[0, 3, 130] = 65_535
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
