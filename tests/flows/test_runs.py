"""What a run makes of its parameters: moments, days and a name; no server is needed."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest

from flows.common import day_span, to_utc
from flows.runs import describe_run
from tasks.errors import ConfigError
from tasks.settings.tree import Settings


def test_a_moment_of_a_form_is_local_time_of_the_network_unless_it_says_its_offset() -> None:
    chicago = Settings(network={"timezone": "America/Chicago"})
    assert to_utc(datetime(2024, 3, 5, 6, 7), chicago) == np.datetime64("2024-03-05T12:07", "us")
    assert to_utc(datetime.fromisoformat("2024-03-05T06:07+01:00"), chicago) == np.datetime64("2024-03-05T05:07", "us")
    with pytest.raises(ConfigError, match="2024-03-10T02:30"):
        to_utc(datetime(2024, 3, 10, 2, 30), chicago)


def test_days_of_a_form_are_service_days_both_included_and_in_order() -> None:
    chicago = Settings(network={"timezone": "America/Chicago"})
    start, end = day_span(chicago, date(2024, 3, 10), date(2024, 3, 10))
    assert (start, end) == (np.datetime64("2024-03-10T06:00"), np.datetime64("2024-03-11T05:00"))
    assert day_span(chicago, None, None) == (None, None)
    with pytest.raises(ConfigError, match="last_day 2024-03-09 is before first_day 2024-03-10"):
        day_span(chicago, date(2024, 3, 10), date(2024, 3, 9))


@pytest.mark.parametrize(
    ("flow", "given", "name"),
    [
        ("forecast", {"model": "champion"}, "forecast 14:35 champion"),
        ("forecast", {"model": "champion", "as_of": "2026-11-20T20:35:00+00:00"}, "forecast 2026-11-20 14:35 champion"),
        ("ingest", {"source": None}, "ingest 14:35"),
        (
            "backfill",
            {"source": "gates", "first_day": "2026-10-01", "last_day": date(2026, 10, 7)},
            "backfill 2026-10-01 to 2026-10-07 gates",
        ),
        ("retrain", {"model": None}, "retrain 2026-11-21 next_hour_lstm"),
        ("retrain", {"model": "linear_level", "as_of": "2026-11-20T03:30"}, "retrain 2026-11-20 linear_level"),
        (
            "backtest",
            {"first_day": "2026-10-01", "last_day": "2026-10-28", "models": ["weekday_mean", "linear_level"]},
            "backtest 2026-10-01 to 2026-10-28 weekday_mean, linear_level",
        ),
        ("promote", {"action": "roll back", "version": None}, "promote 14:35 roll back"),
    ],
)
def test_the_name_of_a_run_says_what_it_does_in_local_time(flow: str, given: dict[str, Any], name: str) -> None:
    chicago = Settings(network={"timezone": "America/Chicago"})
    assert describe_run(flow, given, datetime(2026, 11, 21, 20, 35, tzinfo=UTC), chicago) == name
