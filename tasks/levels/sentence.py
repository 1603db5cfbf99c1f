"""Why a forecast is what it is, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
TIMES = 2.995
"""From so many times the usual on, a sentence says how many times and not how many per cent."""


def name_day(day: np.datetime64, is_holiday: bool) -> str:
    """What a service day is compared with: its weekday, or a holiday."""
    return "holiday" if is_holiday else WEEKDAYS[(int(day.astype("datetime64[D]").astype(np.int64)) + 3) % 7]


def name_span(minutes: int) -> str:
    """The time that today's level is taken from."""
    return {30: "the last half hour", 60: "the last hour"}.get(minutes, f"the last {minutes} minutes")


def explain(day_name: str, whole: float | None, parts: Sequence[str]) -> str:
    """The sentence: how the hour stands to its usual, and the parts of that.

    Args:
        day_name: see `name_day`.
        whole: people over usual people; NaN where hardly anybody is usual, None where nothing is known of it.
        parts: see `phrase_parts`.

    >>> explain("Tuesday", 1.18, ["the last hour ran 12 % high", "rain adds 5 %"])
    '18 % above a usual Tuesday: the last hour ran 12 % high, rain adds 5 %'
    """
    if whole is None:
        return f"nothing is known of a usual {day_name} at this hour"
    per_cent = round(100 * (whole - 1)) if np.isfinite(whole) else 0
    if np.isnan(whole):
        head = f"hardly anybody comes on a usual {day_name} at this hour"
    elif per_cent == 0:
        head = f"as on a usual {day_name}"
    elif whole >= TIMES:
        head = f"{whole:.1f} times a usual {day_name}"
    else:
        head = f"{abs(per_cent)} % {'above' if per_cent > 0 else 'below'} a usual {day_name}"
    return f"{head}: {', '.join(parts)}" if parts else head


def phrase_parts(factors: Mapping[str, float], span: str, channels: str, reasons: str) -> list[str]:
    """One phrase per factor that changes the hour by a per cent or more.

    Args:
        factors: name of a factor -> that of the hour; NaN says nothing.
        span: see `name_span`.
        channels: names of the channels, as a sentence lists them.
        reasons: of the overrides in force; empty for none given.
    """
    phrases = []
    for name, factor in factors.items():
        change = round(100 * (factor - 1)) if np.isfinite(factor) else 0
        if change == 0:
            continue
        size, more = f"{abs(change)} %", change > 0
        phrases.append(
            {
                "level_factor": f"{span} ran {size} {'high' if more else 'low'}",
                "channels_factor": f"{channels} {'adds' if more else 'takes away'} {size}",
                "model_factor": f"the model {'adds' if more else 'takes away'} {size}",
                "override_factor": f"a person multiplies it by {factor:.4g}{f' ({reasons})' if reasons else ''}",
            }[name]
        )
    return phrases
