"""Alarms and what became of them, against a reference that goes from one moment to the next."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.alerts.episodes import SignalRows, find_alarms, find_truth, judge
from tasks.alerts.live import Reading, follow
from tasks.alerts.thresholds import DEFAULTS, GRIDS, choose

STEP = 5


def rows_of(strength: np.ndarray, above: np.ndarray) -> SignalRows:
    """Rows of [series, moment]; series 2s and 2s+1 are of station s; moments every 5 minutes; weak ones are absent."""
    kept = (strength > 0.02) | above
    series, moment = np.nonzero(kept)
    return SignalRows(series, moment * STEP, strength[kept], above[kept], series // 2)


@st.composite
def pasts(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, float]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.integers(1, 4)), draw(st.integers(1, 60))
    strength = rng.random(shape) ** draw(st.sampled_from([1, 3, 8]))
    above = rng.random(shape) < draw(st.sampled_from([0.0, 0.05, 0.4]))
    return strength, above, draw(st.sampled_from([0.1, 0.5, 0.9]))


def live_alarms(strength: np.ndarray, threshold: float) -> list[tuple[int, int, int]]:
    """Series, first and last strong moment of every alarm, as the live alerts open and close."""
    start, found = np.datetime64("2024-03-01T00:00:00", "s"), []
    for series, values in enumerate(strength):
        held: dict[str, dict[str, Any]] = {}
        for moment, value in enumerate([*values, *[0.0] * 10]):
            now = start + moment * STEP * np.timedelta64(60, "s")
            reading = Reading("limit", str(series), "entries", float(value), 10.0, 20.0)
            held, told = follow(held, [reading], {"limit": threshold}, now)
            for alert in told:
                if alert["state"] == "closed":
                    first, last = (_minutes(alert[k], start) for k in ("opened_at", "strong_at"))
                    found.append((series, first, last))
        assert not held
    return found


def _minutes(moment: str, start: np.datetime64) -> int:
    return int((np.datetime64(moment.removesuffix("Z"), "s") - start) / np.timedelta64(60, "s"))


@settings(max_examples=60)
@given(pasts())
def test_alarms_of_the_past_are_those_that_live_alerts_would_have_raised(
    past: tuple[np.ndarray, np.ndarray, float],
) -> None:
    strength, above, threshold = past
    alarms = find_alarms(rows_of(strength, above), threshold)
    got = list(zip(alarms.series.tolist(), alarms.first.tolist(), alarms.last.tolist(), strict=True))
    assert got == live_alarms(strength, threshold)


@settings(max_examples=60)
@given(pasts())
def test_alarms_are_right_and_episodes_missed_as_one_at_a_time_says(past: tuple[np.ndarray, np.ndarray, float]) -> None:
    strength, above, threshold = past
    rows = rows_of(strength, above)
    alarms, truth = find_alarms(rows, threshold), find_truth(rows)
    episodes = list(zip(truth.series.tolist(), truth.first.tolist(), truth.last.tolist(), strict=True))
    right, leads, met = 0, [], set()
    for series, first, last in zip(alarms.series, alarms.first, alarms.last, strict=True):
        hits = [e for e in episodes if e[0] == series and e[1] <= last + 30 and e[2] >= first]
        met.update(hits)
        if hits:
            right += 1
            leads.append(hits[0][1] + 60 - first)
    got = judge(rows, threshold)[-1]
    assert (got.alarms, got.right, got.missed) == (len(alarms.first), right, len(episodes) - len(met))
    assert got.lead_minutes == (pytest.approx(np.median(leads)) if leads else None)
    each = [outcome for number, outcome in judge(rows, threshold).items() if number >= 0]
    assert sum(outcome.alarms for outcome in each) == got.alarms
    assert sum(outcome.missed for outcome in each) == got.missed


def test_episodes_of_truth_end_where_half_an_hour_has_none() -> None:
    above = np.zeros((1, 40), bool)
    above[0, [3, 9, 10, 17]] = True  # 30 minutes apart, 5, then 35
    truth = find_truth(rows_of(np.zeros((1, 40)), above))
    assert list(zip(truth.first.tolist(), truth.last.tolist(), strict=True)) == [(15, 50), (85, 85)]


def test_a_threshold_is_the_lowest_whose_rate_is_wanted_and_is_kept_while_its_rate_is_near() -> None:
    rng = np.random.default_rng(8)
    strength = rng.beta(0.3, 3, (20, 4000))
    rows, weeks = rows_of(strength, np.zeros(strength.shape, bool)), 10 * 28 / 7.0
    for wanted in (0.2, 1.0, 5.0):
        choice = choose("limit", rows, weeks, 28, wanted, 1.3, None)
        rates = {x: len(find_alarms(rows, x).first) / weeks for x in GRIDS["limit"]}
        assert rates[choice.threshold] <= wanted
        below = [x for x in GRIDS["limit"] if x < choice.threshold]
        assert not below or rates[below[-1]] > wanted
        assert f"{wanted:g} are wanted" in choice.reason
        rate = rates[choice.threshold]
        assert choose("limit", rows, weeks, 28, rate * 1.2, 1.3, choice.threshold).threshold == choice.threshold
        again = choose("limit", rows, weeks, 28, rate * 4, 1.3, choice.threshold)
        assert again.threshold < choice.threshold or choice.threshold == GRIDS["limit"][0]


def test_a_week_of_scores_is_needed_before_a_threshold_is_chosen() -> None:
    rows = rows_of(np.full((1, 100), 0.9), np.zeros((1, 100), bool))
    assert choose("limit", rows, 1.0, 6, 0.1, 1.3, None).threshold == DEFAULTS["limit"]
    assert choose("limit", rows, 1.0, 6, 0.1, 1.3, 0.33).threshold == 0.33
    assert choose("limit", rows, 1.0, 7, 0.1, 1.3, 0.33).threshold > 0.9


def test_an_alert_that_wavers_around_its_threshold_is_sent_once() -> None:
    held: dict[str, dict[str, Any]] = {}
    states = []
    for minute, strength in enumerate(
        [0.4, 0.75, 0.6, 0.8, 0.5, 0.69, 0.1, 0.72, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
    ):
        now = np.datetime64("2024-03-01T08:00:00", "s") + minute * np.timedelta64(300, "s")
        held, told = follow(held, [Reading("limit", "a", "entries", strength, 9, 8)], {"limit": 0.7}, now)
        states += [alert["state"] for alert in told]
    assert states == ["opened", *["ongoing"] * 11, "closed"]
    assert held == {}


def test_an_alert_without_readings_closes_after_half_an_hour_and_keeps_what_it_said() -> None:
    start = np.datetime64("2024-03-01T08:00:00", "s")
    held, told = follow({}, [Reading("crowding", "a", "exits", 5, 10, 40)], {"crowding": 4.0}, start)
    assert told[0]["sentence"] == "exits at a: 40 people in the last minutes, 10 expected"
    held, told = follow(held, [], {"crowding": 4.0}, start + np.timedelta64(1799, "s"))
    assert [alert["state"] for alert in told] == ["ongoing"]
    held, told = follow(held, [], {"crowding": 4.0}, start + np.timedelta64(1800, "s"))
    assert [(alert["state"], alert["sentence"][:10]) for alert in told] == [("closed", "exits at a")]
