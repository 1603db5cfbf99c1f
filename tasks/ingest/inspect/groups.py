"""Columns in groups: a station over its directions, in two lines of a header or in one name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from tasks.ingest.formats.header_rows import join_header
from tasks.ingest.formats.unpivot import fitting_columns
from tasks.ingest.inspect.words import is_value_of

_NUMBER = re.compile(r"-?\d[\d., ]*")
_PATTERNS = tuple(
    pattern
    for sign in (" ", "_", " - ", "-", "/", ": ")
    for pattern in (f"{{station_id}}{sign}{{direction}}", f"{{direction}}{sign}{{station_id}}")
)


def has_groups(lines: Sequence[Sequence[str]]) -> bool:
    """Whether the first of three lines names groups of the columns that the second one names, above a row of numbers.

    The names of the second come several times, and are distinguished by their groups.
    """
    if len(lines) < 3:
        return False
    groups, names, row = ([cell.strip() for cell in line] for line in lines)
    filled = [name for name in names if name]
    if any(_NUMBER.fullmatch(cell) for cell in (*groups, *names)) or len({*filled}) == len(filled) or not any(groups):
        return False
    joined = join_header([groups, names])
    numbers = sum(bool(_NUMBER.fullmatch(cell)) for cell in row)
    return len({*joined}) == len(joined) and numbers >= 2 and len(row) >= len(joined)


def directed_stations(names: Sequence[str]) -> str | None:
    """Pattern of columns that are each named after a station and a direction; None where they are not.

    Args:
        names: of the columns that hold numbers.
    """
    for pattern in _PATTERNS:
        fits = [(found["g0"], found["g1"]) for _, found in fitting_columns(names, pattern)]
        pairs = fits if pattern.startswith("{station_id}") else [(station, way) for way, station in fits]
        ways = {way for _, way in pairs}
        both = all(any(is_value_of(way, role) for way in ways) for role in ("entry value", "exit value"))
        known = all(is_value_of(way, "entry value") or is_value_of(way, "exit value") for way in ways)
        many = Counter(station for station, _ in pairs)
        if len(pairs) == len(names) and both and known and len(many) > 1 and {*many.values()} == {len(ways)}:
            return pattern
    return None
