"""Times by strptime formats, and the formats that fit a column."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.errors import ConfigError
from tasks.ingest.rows.format_times import parse_times
from tasks.ingest.rows.suggest_formats import are_periods, read_both_ways, suggest_formats
from tasks.time_formats import CLOCKS, DATES, check_format

_MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2068, 12, 31, 23, 59, 59))
_FORMATS = st.builds(
    "{}{}{}".format, st.sampled_from(DATES), st.sampled_from([" ", "T", ", "]), st.sampled_from(CLOCKS)
)


def _wall(texts: Sequence[str | None], *formats: str) -> list[str | None]:
    times = parse_times(pa.array(texts, pa.string()), formats).wall
    return [None if np.isnat(time) else str(time) for time in times]


@given(_MOMENTS, _FORMATS)
@example(datetime(2024, 2, 29, 0, 0), "%d %b %Y %I:%M %p")
def test_what_strftime_writes_is_read_back(moment: datetime, text: str) -> None:
    kept = datetime.strptime(moment.strftime(text), text)  # the format may leave out seconds
    assert _wall([moment.strftime(text)], text) == [kept.replace(microsecond=0).isoformat()]


_RARE = {
    "%j %Y %H:%M": "%j %Y %H:%M",
    "%Y%j%H%M": "%Y%j%H%M",
    "%%%d/%m/%Y %X": "%%%d/%m/%Y %H:%M:%S",
    "%c": "%a %b %d %H:%M:%S %Y",
    "%D %T": "%m/%d/%y %H:%M:%S",
    "%F %R": "%Y-%m-%d %H:%M",
}


@given(_MOMENTS, st.sampled_from(sorted(_RARE)))
def test_rarer_directives_are_read_back(moment: datetime, text: str) -> None:
    written = moment.strftime(_RARE[text])
    assert _wall([written], text) == [datetime.strptime(written, _RARE[text]).isoformat()]


@given(_MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_an_offset_gives_utc(moment: datetime, minutes: int) -> None:
    at = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    times = parse_times(pa.array([at.strftime("%d/%m/%Y %H:%M:%S%z")]), ["%d/%m/%Y %H:%M:%S %z", "%d/%m/%Y %H:%M:%S%z"])
    assert times.utc[0].item() == at.astimezone(UTC).replace(tzinfo=None)
    assert np.isnat(times.wall[0])


@given(_MOMENTS, _FORMATS)
def test_the_format_is_among_those_suggested(moment: datetime, text: str) -> None:
    written = moment.strftime(text)
    suggested = suggest_formats([written])
    assert any(_wall([written], each) == _wall([written], text) for each in suggested)


def test_the_first_format_that_fits_reads_a_value() -> None:
    assert _wall(["04/03/2024 07:00", "2024-03-05 08:00", "x", None], "%d/%m/%Y %H:%M", "%Y-%m-%d %H:%M") == [
        "2024-03-04T07:00:00",
        "2024-03-05T08:00:00",
        None,
        None,
    ]


def test_hours_past_24_belong_to_the_next_date() -> None:
    assert _wall(["2024-12-31 24:30", "2024-12-31 25:10", "2024-12-31 48:00"], "%Y-%m-%d %H:%M") == [
        "2025-01-01T00:30:00",
        "2025-01-01T01:10:00",
        None,
    ]


@pytest.mark.parametrize(
    "text", ["2023-02-29 10:00", "2024-13-01 10:00", "2024-00-10 10:00", "2024-04-31 10:00", "2024-04-30 10:60"]
)
def test_what_the_calendar_lacks_is_no_time(text: str) -> None:
    assert _wall([text], "%Y-%m-%d %H:%M") == [None]


def test_twelve_hour_clocks_have_noon_and_midnight() -> None:
    texts = ["03/05/2024 12:00:00 AM", "03/05/2024 12:30:00 PM", "03/05/2024 13:00:00 PM"]
    assert _wall(texts, "%m/%d/%Y %I:%M:%S %p") == ["2024-03-05T00:00:00", "2024-03-05T12:30:00", None]


def test_touching_numbers_have_two_digits_each() -> None:
    assert _wall(["202403040712", "2024341712"], "%Y%m%d%H%M") == ["2024-03-04T07:12:00", None]


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (pa.array([1_709_600_000]), "epoch"),
        (pa.array([1_709_600_000_123]), "epoch_ms"),
        (pa.array(["1709600000123456"]), "epoch_us"),
        (pa.array([1_709_600_000.5]), "epoch"),
    ],
)
def test_numbers_since_1970_are_utc(values: pa.Array, name: str) -> None:
    assert str(parse_times(values, [name]).utc[0]) == "2024-03-05T00:53:20"


def test_it_stays_open_which_number_is_the_day() -> None:
    assert suggest_formats(["10/04/2017 03:49", "09/04/2017 06:45"]) == ["%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"]
    assert read_both_ways(suggest_formats(["10/04/2017 03:49"]))
    assert suggest_formats(["10/04/2017 03:49", "13/04/2017 06:45"]) == ["%d/%m/%Y %H:%M"]
    assert not read_both_ways(suggest_formats(["13/04/2017 06:45"]))
    assert suggest_formats(["hello"]) == suggest_formats([]) == suggest_formats(["", " "]) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("%d/%m/%Y", "no hour"),
        ("%H:%M", "no whole date"),
        ("%Y-%m-%d %I:%M", "%I and %p need one another"),
        ("%Y-%m-%d %Q:%M", "%Q is no directive"),
        ("%Y-W%W-%w %H:%M", "weeks"),
        ("%Y-%m-%d %H:%M %H", "twice"),
        ("%Y-%m-%d %H:%", "is no directive"),
    ],
)
def test_a_format_that_cannot_say_when_is_rejected(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        check_format(text)


@pytest.mark.parametrize("text", ["%d/%m/%Y %H:%M", "%y%j%H", "%c", "epoch_ms", "%b %d, %Y %I %p"])
def test_a_format_with_date_and_hour_is_taken(text: str) -> None:
    check_format(text)


@given(_MOMENTS)
def test_days_of_a_spreadsheet_are_the_second_that_they_were_made_of(moment: datetime) -> None:
    whole = moment.replace(microsecond=0)
    days = (whole - datetime(1899, 12, 30)).total_seconds() / 86_400
    assert _wall([f"{days:.10f}"], "excel") == [whole.isoformat()]
    assert str(parse_times(pa.array([days]), ["excel"]).wall[0]) == whole.isoformat()


def test_a_day_with_four_digits_is_read_where_only_one_minute_is_near() -> None:
    quarter, odd = "45090.0104", "45090.0109"  # 00:14:58.6 and 00:15:41.8
    assert _wall([quarter, odd, "45090", "1e5"], "excel") == ["2023-06-13T00:15:00", None, "2023-06-13T00:00:00", None]


@pytest.mark.parametrize(
    ("texts", "text"),
    [
        (["13/06/2023 07:00 - 07:15", "13/06/2023 07:15 - 07:30"], "%d/%m/%Y %H:%M - *"),
        (["2023-06-13 07:00-08:00", "2023-06-13 08:00-09:00"], "%Y-%m-%d %H:%M-*"),
        (["2023-06-13 5h-6h", "2023-06-13 23h-24h"], "%Y-%m-%d %Hh-*"),
        (["13/06/2023 11:45 AM to 12:00 PM", "13/06/2023 12:00 PM to 12:15 PM"], "%d/%m/%Y %I:%M %p to *"),
        (["2023-06-13 07:00:00 \u2013 07:14:59", "2023-06-13 07:15:00 \u2013 07:29:59"], "%Y-%m-%d %H:%M:%S \u2013 *"),
    ],
)
def test_a_period_is_read_by_its_start(texts: list[str], text: str) -> None:
    assert suggest_formats(texts) == [text]
    check_format(text)
    assert None not in _wall(texts, text)


def test_two_clocks_that_are_no_period_are_none() -> None:
    assert suggest_formats(["2023-06-13 07:00-05:00", "2023-06-13 08:00-05:00"]) == ["%Y-%m-%d %H:%M%z"]
    assert suggest_formats(["2023-06-13 07:00-09:00", "2023-06-13 09:00-11:00"]) == ["%Y-%m-%d %H:%M%z"]
    assert not are_periods(["2023-06-13 07:00-08:00", "2023-06-14 07:00-08:00"])


@pytest.mark.parametrize("half", ["p. m.", "p.m.", "PM", "p.\N{NO-BREAK SPACE}m."])
def test_halves_of_the_day_are_read_as_they_are_written(half: str) -> None:
    assert _wall([f"14/03/2023 01:15:00\N{NARROW NO-BREAK SPACE}{half}"], "%d/%m/%Y %I:%M:%S %p") == [
        "2023-03-14T13:15:00"
    ]


def test_months_are_read_in_the_languages_of_operators() -> None:
    texts = ["13. März 2024 07:00", "13. okt 2024 07:00", "13. Mär. 2024 07:00"]
    assert suggest_formats(texts) == ["%d. %b %Y %H:%M"]
    months = [time[5:7] if time else None for time in _wall([*texts, "13. foo 2024 07:00"], "%d. %b %Y %H:%M")]
    assert months == ["03", "10", "03", None]
    assert [t[5:7] if t else None for t in _wall(["1 févr. 2024 7:05", "1 ago 2024 7:05"], "%d %b %Y %H:%M")] == [
        "02",
        "08",
    ]


def test_nanoseconds_are_exact() -> None:
    second = 1_686_662_212
    for values in (
        pa.array([second * 10**9, second * 10**9 - 1]),
        pa.array([f"{second}000000000", f"{second - 1}999999999"]),
    ):
        assert [str(t) for t in parse_times(values, ["epoch_ns"]).utc] == ["2023-06-13T13:16:52", "2023-06-13T13:16:51"]
    assert np.isnat(parse_times(pa.array(["99999999999999999999", "x"]), ["epoch_ns"]).utc).all()
