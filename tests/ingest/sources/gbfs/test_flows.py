"""Stocks as flows: what is counted when, and what is not observed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.ingest.sources.gbfs.flows import SLACK, FlowCounter
from tasks.ingest.sources.gbfs.snapshot import Snapshot

START = 1_715_300_400  # on every grid
State = dict[str, Any]
Flow = tuple[int | None, int | None]


def snapshot(moment: int, **stations: State) -> Snapshot:
    """State of stations `moment` seconds after the start; a station is its stock and what else differs."""
    names = sorted(stations)
    usual = {"bikes": 5, "whole": True, "full": False, "renting": True, "returning": True, "reported": moment}
    states = [{**usual, "empty": stations[name]["bikes"] == 0, **stations[name]} for name in names]
    kinds = {"bikes": np.int32, "reported": np.int64}
    arrays = {key: np.array([s[key] for s in states], kinds.get(key, np.bool_)) for key in [*usual, "empty"]}
    arrays["reported"] = arrays["reported"] + START
    return Snapshot(START + moment, np.array(names, np.str_), **arrays)


def flows(snapshots: Sequence[Snapshot], interval: int = 5, limit: int = 10) -> dict[tuple[str, int], Flow]:
    """Departures and arrivals by station and minute after the start; None where not observed."""
    counter = FlowCounter(interval, limit, 3600)
    found = {}
    for each in (ended for one in snapshots for ended in counter.add(one)):
        rows = zip(each.station, *each.flows, *each.seen, strict=True)
        for station, departures, arrivals, left, came in rows:
            key = counter.names[station], each.minute - START // 60
            found[key] = (int(departures) if left else None, int(arrivals) if came else None)
    return found


def polls(*stocks: int | State, every: int = 60) -> list[Snapshot]:
    """One station, polled each minute from the start of an interval on."""
    states = [each if isinstance(each, dict) else {"bikes": each} for each in stocks]
    return [snapshot(i * every, a=state) for i, state in enumerate(states)]


def test_differences_between_polls_are_departures_and_arrivals() -> None:
    assert flows(polls(5, 4, 6, 6, 3, 4)) == {("a", 0): (4, 3)}
    assert flows(polls(5, 4, 6, 6, 3, 4, 4, 4, 4, 4, 5)) == {("a", 0): (4, 3), ("a", 5): (0, 1)}


def test_an_interval_that_polls_do_not_cover_is_not_observed() -> None:
    assert flows(polls(5, 4, 6, 6, 3)) == {}
    assert flows(polls(5, 4, 6, 6, 3, 4)[1:]) == {}


def test_a_gap_longer_than_an_interval_is_blank_and_never_spread() -> None:
    before, after = polls(5, 4, 4, 4, 4, 4, 4), [snapshot(780 + i * 60, a={"bikes": 9}) for i in range(9)]
    assert flows([*before, *after]) == {("a", 0): (1, 0), ("a", 15): (0, 0)}
    late = [snapshot(0, a={"bikes": 5}), snapshot(300 + SLACK, a={"bikes": 2}), snapshot(600, a={"bikes": 2})]
    assert flows(late) == {("a", 0): (0, 0), ("a", 5): (3, 0)}
    later = [snapshot(0, a={"bikes": 5}), snapshot(301 + SLACK, a={"bikes": 2}), snapshot(600, a={"bikes": 2})]
    assert flows(later) == {}


def test_a_station_cannot_show_departures_while_empty_nor_arrivals_while_full() -> None:
    assert flows(polls(2, 1, 1, 0, 0, 3)) == {("a", 0): (None, 3)}
    assert flows(polls(2, 1, 1, 1, 1, 0)) == {("a", 0): (2, 0)}
    full = {"bikes": 9, "full": True}
    assert flows(polls(8, full, full, 8, 8, 8)) == {("a", 0): (1, None)}
    assert flows(polls(8, 8, 8, 8, 8, full)) == {("a", 0): (0, 1)}


def test_a_station_that_does_not_rent_or_take_back_cannot_show_it() -> None:
    closed, shut = {"bikes": 5, "renting": False}, {"bikes": 6, "returning": False}
    assert flows(polls(5, 5, closed, 6, 6, 6)) == {("a", 0): (None, 1)}
    assert flows(polls(6, 6, 6, 6, 5, shut)) == {("a", 0): (1, None)}
    assert flows(polls(6, 6, {**shut, "renting": False}, 6, 5, 5)) == {}


def test_a_van_makes_the_interval_blank_and_is_noted() -> None:
    counter = FlowCounter(5, 10, 3600)
    for each in polls(20, 19, 8, 8, 9, 8):
        ended = counter.add(each)
    assert len(ended) == 1
    assert len(ended[0].station) == 0
    assert counter.jumps == [("a", START + 120, -11)]
    assert flows(polls(20, 19, 9, 9, 9, 9)) == {("a", 0): (11, 0)}


def test_a_bike_that_is_out_of_service_where_it_stands_has_not_left() -> None:
    assert flows(polls(5, {"bikes": 5, "empty": True}, 5, 5, 5, 5)) == {("a", 0): (None, 0)}
    assert flows(polls(5, {"bikes": 3, "whole": False}, 5, 5, 5, 5)) == {}


def test_a_poll_that_is_old_or_repeated_changes_nothing() -> None:
    series = polls(5, 4, 6, 6, 3, 4)
    expected = flows(series)
    assert flows([series[0], series[1], series[1], series[0], *series[2:]]) == expected


def test_a_change_counts_when_the_station_reported_it() -> None:
    series = [snapshot(i * 100, a={"bikes": 5}) for i in range(3)]
    series += [snapshot(310, a={"bikes": 3, "reported": 290}), snapshot(600, a={"bikes": 3})]
    assert flows(series) == {("a", 0): (2, 0), ("a", 5): (0, 0)}
    series[3] = snapshot(310, a={"bikes": 3, "reported": 100})
    assert flows(series) == {("a", 0): (0, 0), ("a", 5): (2, 0)}


def test_a_station_that_has_not_reported_for_long_is_not_observed() -> None:
    silent = [snapshot(3600 + i * 60, a={"bikes": 5, "reported": 0}, b={"bikes": 5}) for i in range(6)]
    assert flows(silent) == {("b", 60): (0, 0)}


def test_stations_come_and_go() -> None:
    first = [snapshot(i * 60, a={"bikes": 5}) for i in range(3)]
    both = [snapshot(i * 60, a={"bikes": 4}, b={"bikes": 7 + i}) for i in range(3, 11)]
    later = [snapshot(i * 60, b={"bikes": 7 + i}) for i in range(11, 16)]
    found = flows([*first, *both, *later])
    assert found == {("a", 0): (1, 0), ("a", 5): (0, 0), ("b", 5): (0, 5), ("b", 10): (0, 5)}


states = st.fixed_dictionaries(
    {"bikes": st.integers(0, 14)},
    optional={"renting": st.booleans(), "returning": st.booleans(), "full": st.booleans(), "whole": st.just(False)},
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(20, 200), states, states), min_size=2, max_size=25), st.sampled_from([1, 5]))
def test_flows_are_those_of_a_plain_loop(course: list[tuple[int, State, State]], interval: int) -> None:
    moment, series = 0, []
    for wait, a, b in course:
        series.append(snapshot(moment, a=a, b=b))
        moment += wait
    assert flows(series, interval, 6) == {
        key: flow for name in "ab" for key, flow in plain(series, name, interval * 60, 6).items()
    }


def plain(series: Sequence[Snapshot], name: str, length: int, limit: int) -> dict[tuple[str, int], Flow]:
    """The rule in words, second by second."""
    at = [int(np.flatnonzero(s.stations == name)[0]) for s in series]
    change_of: dict[int, tuple[int, bool, bool, bool]] = {}
    for (old, i), (new, j) in zip(zip(series, at, strict=True), list(zip(series, at, strict=True))[1:], strict=False):
        known = new.updated - old.updated <= length + min(SLACK, length // 2) and bool(old.whole[i] == new.whole[j])
        change = int(new.bikes[j]) - int(old.bikes[i])
        calm = abs(change) <= limit
        left = calm and bool(old.renting[i] and new.renting[j] and not old.empty[i])
        came = calm and bool(old.returning[i] and new.returning[j] and not old.full[i])
        for second in range(old.updated, new.updated):
            change_of[second] = (change if second == new.updated - 1 else 0, known, left, came)
    found = {}
    for start in range(series[0].updated // length * length, series[-1].updated, length):
        seconds = [change_of.get(second, (0, False, False, False)) for second in range(start, start + length)]
        if all(known for _, known, _, _ in seconds):
            departures = sum(max(-change, 0) for change, *_ in seconds) if all(s[2] for s in seconds) else None
            arrivals = sum(max(change, 0) for change, *_ in seconds) if all(s[3] for s in seconds) else None
            if departures is not None or arrivals is not None:
                found[name, (start - START) // 60] = (departures, arrivals)
    return found
