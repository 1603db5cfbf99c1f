"""What trips the checks of sources, and what must not: history, late sources, a handful of duplicates."""

from __future__ import annotations

import numpy as np
import pytest
from support.quality_bench import NOW, Facts, Town, subjects

from tasks.quality.checks import run_check
from tasks.settings.tree import Settings


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
    assert (never.subject, never.observed, never.sentence) == ("c", None, "source 'c' has never sent anything")
    assert (quiet.subject, quiet.observed, quiet.limit) == ("a", 60, 30)
    assert quiet.sentence == "source 'a' has sent nothing for 60 minutes (last minute 2024-05-11T07:55Z)"


def test_history_that_ended_years_ago_is_one_line() -> None:
    town = sources({})
    town.said = {"a": np.datetime64("2013-10-09T12:00")}
    (result,) = run_check("quiet_source", town.seen(now=np.datetime64("2013-10-11T12:05", "s")))
    assert result.sentence == ("source 'a' has sent nothing for 2,880 minutes, 2 days (last minute 2013-10-09T12:00Z)")


def test_a_source_that_is_known_late_may_be_silent_for_longer() -> None:
    town = sources({"latency_seconds": 3600})
    town.said = {"a": np.datetime64("2024-05-11T07:30")}
    assert subjects(town.results("quiet_source")) == []
