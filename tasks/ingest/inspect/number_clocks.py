"""Times of day that are one number: hours and minutes, counts since midnight, numbers of slots."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tasks.arrays import Int
from tasks.ingest.inspect.words import words_of
from tasks.time_formats import DAY_FRACTION, HOUR_OF_DAY, MINUTE_OF_DAY, SECOND_OF_DAY

_FEWEST_HOURS = 3
_MINUTES = frozenset({"minute", "minutes", "min", "mins"})
_COUNTED = _MINUTES | {"second", "seconds", "sec", "secs"}
"""Words of a name that say that a time of day is counted from midnight."""
_LEAST = {MINUTE_OF_DAY: 100, SECOND_OF_DAY: 2401}
"""What the latest of some times of day is at the least, so that they are no hours or numbers of intervals."""
_LATEST = 28
"""Hour at which a service day ends at the latest, counted on past 24."""
_LENGTHS = (60, 30, 20, 15, 10, 5)
"""Minutes of the slots into which days are cut."""
_FEWEST_SLOTS = 8
_MANY = 100
"""Different times of a day that show minutes of 60 and more as HHMMSS, so that they are no such."""
_OFF_MINUTE = 0.25
"""Minutes by which a fraction that was rounded may miss the minute that it means."""


def find_number_clocks(name: str, values: Sequence[str]) -> tuple[str, ...]:
    """What values may be as times of day without signs (915, 555 or 33300 for 09:15, or 38); none where they cannot.

    Several where all of them fit, as the values span too little of a day.

    Args:
        name: of the column.
        values: distinct ones.
    """
    whole = [re.sub(r"\.0+$", "", value) for value in values]
    if not whole or not all(re.fullmatch(r"\d{1,6}", value) for value in whole):
        return _find_fractions(values)
    numbers, words = np.unique([int(value) for value in whole]), {*words_of(name)}
    slots = _find_slots(numbers)
    if slots is None:
        return ()
    found = _find_clocks(numbers, padded=len({*map(len, whole)}) == 1)
    counted = MINUTE_OF_DAY if _MINUTES & words else SECOND_OF_DAY
    if not _COUNTED & words:
        return slots if len(slots) == 1 else (*found, *slots)
    fits = numbers.max() <= _LATEST * (60 if counted == MINUTE_OF_DAY else 3600)
    both = (found[0], counted) if found and fits and counted not in found else found
    return (*both, *slots) if both else ()


def _find_fractions(values: Sequence[str]) -> tuple[str, ...]:
    """Words for times of day with a fraction, decimal hours or parts of a day; both 7:15 and 7:09 may be 7.15."""
    found = [re.fullmatch(r"(\d{0,2})(?:[.,](\d+))?", value) for value in values]
    if not values or not all(found):
        return ()
    numbers = np.array([float(value.replace(",", ".")) for value in values])
    if numbers.max() <= 1:
        return (DAY_FRACTION,) if len(numbers) >= _FEWEST_SLOTS and _on_minutes(numbers * 1440) else ()
    if numbers.max() > _LATEST or not _on_minutes(numbers * 60):
        return ()
    sixty = any((each[2] or "0")[:2].ljust(2, "0") >= "60" or len(each[2] or "") > 2 for each in found if each)
    padded = all(each and re.fullmatch(r"\d\d", each[1]) and re.fullmatch(r"\d\d", each[2] or "") for each in found)
    if padded and not sixty and any(value.startswith("0") for value in values):
        return ("%H.%M",)  # no fraction has a zero in front of its hour
    return (HOUR_OF_DAY,) if sixty else (HOUR_OF_DAY, "%H.%M")


def _on_minutes(minutes: npt.NDArray[np.float64]) -> bool:
    return bool((np.abs(minutes - np.rint(minutes)) <= _OFF_MINUTE).all())


def _find_clocks(numbers: Int, *, padded: bool) -> tuple[str, ...]:
    """Clocks that show all of some whole numbers; one alone where the other would show 99 minutes in an hour.

    Args:
        numbers: distinct ones.
        padded: whether all have the same number of digits.
    """
    most = int(numbers.max())
    for digits, word, last in (("%H%M", MINUTE_OF_DAY, _LATEST * 60), ("%H%M%S", SECOND_OF_DAY, _LATEST * 3600)):
        long = word == SECOND_OF_DAY
        grouped = most <= _LATEST * (10_000 if long else 100) and bool((numbers % 100 < 60).all())
        grouped = grouped and (not long or bool((numbers // 100 % 100 < 60).all()))
        if most < _LEAST[word] or not (grouped or most <= last):
            continue
        sure = most > last // _LATEST * 24 or (padded and numbers.min() < 10 ** (5 if long else 3))
        if grouped:
            hours = len(np.unique(numbers // (10_000 if long else 100)))
            return (digits,) if sure or hours >= _FEWEST_HOURS else (digits, word)
        return (word,) if not long or (numbers % 60 == 0).all() or len(numbers) >= _MANY else ()
    return ()


def _find_slots(numbers: Int) -> tuple[str, ...] | None:
    """Words for slots that numbers in a row may be: one where they are those of a whole day, else all that fit.

    Not known where they are those of a day on which the clocks were put back, which has an hour twice.
    """
    first, last = int(numbers[0]), int(numbers[-1])
    if (first, last, len(numbers)) == (1, 12, 12):
        return None  # hours of half a day
    if len(numbers) < _FEWEST_SLOTS or len(numbers) < (last - first + 1) * 0.8:
        return ()
    for length in _LENGTHS:
        slots = 24 * 60 // length
        if first in (0, 1) and len(numbers) in (slots, slots + 60 // length) and last == first + len(numbers) - 1:
            return (f"slot_{length}min_from_{first}",) if len(numbers) == slots else None
    return tuple(
        f"slot_{length}min_from_{begin}"
        for length in _LENGTHS
        for begin in (1, 0)
        if begin <= first and last - begin < 24 * 60 // length <= 2 * (last + 1)
    )
