"""Files with a column per interval, station or count: each of those columns of a row becomes a row."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.arrays import Int
from tasks.ingest.formats.columns import Columns, Malformed, as_text, check_rows, column_list
from tasks.ingest.rejects import FileProblem
from tasks.settings.column_patterns import pattern_regex
from tasks.settings.shapes import Unpivot
from tasks.tables.schemas import one_array

_DAY = 24 * 60
_LONGEST_NAME = 300
_DATES = ("%Y", "%y", "%m", "%d", "%j", "%b", "%B")


class UnpivotedColumns(Columns):
    """Rows of a file, one per row and column that was turned; lines and texts are those of the file's rows.

    Attributes:
        base: the file's rows.
        turned: its columns that became rows.
        labels: what the name of each of them holds (interval, target), by our column.
        value: our column of their values.
    """

    def __init__(self, base: Columns, turned: Sequence[str], labels: dict[str, list[str]], value: str) -> None:
        self._base, self._turned, self._labels, self._value = base, turned, labels, value
        gone = set(turned)
        self.names = [*(name for name in base.names if name not in gone), *labels, value]

    @property
    def rows(self) -> int:
        """How many there are."""
        return self._base.rows * len(self._turned)

    def column(self, name: str) -> pa.Array:
        """One column: all turned columns of a row of the file come one after the other."""
        count = len(self._turned)
        if name == self._value:
            whole = _concatenate([one_array(self._base.column(turned)) for turned in self._turned])
            order = np.arange(self.rows).reshape(count, self._base.rows).T.ravel()
            return one_array(whole.take(pa.array(order)))
        if name in self._labels:
            coded = pa.array(self._labels[name], pa.string()).dictionary_encode()
            places = np.tile(coded.indices.to_numpy(), self._base.rows)
            return pa.DictionaryArray.from_arrays(pa.array(places), coded.dictionary)
        column = one_array(self._base.column(name))
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        return coded.take(pa.array(np.repeat(np.arange(self._base.rows), count)))

    def frame(self, columns: Sequence[str]) -> pa.Table:
        """What tells rows apart."""
        return pa.table([self.column(name) for name in columns], names=list(columns))

    def lines(self, rows: Int) -> Int:
        """Lines of the file."""
        return self._base.lines(rows // len(self._turned))

    def texts(self, rows: Int, columns: Sequence[str]) -> pa.Array:
        """The column that was turned and its value, and the row of the file."""
        values = as_text(self.column(self._value).take(pa.array(rows)))
        names = pa.array(self._turned, pa.string()).take(pa.array(rows % len(self._turned)))
        kept = [name for name in self._base.names if name in columns]
        own = self._base.texts(rows // len(self._turned), kept)
        values = pa.nulls(len(rows), pa.string()).fill_null("") if values is None else values
        shown = pc.binary_join_element_wise(names, values, "=")
        return pc.binary_join_element_wise(shown, own.cast(pa.string()), ": ")

    def malformed_lines(self) -> Malformed:
        """What is no row of the file."""
        return self._base.malformed_lines()

    def unreadable(self, columns: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Rows in which a value is no text."""
        own = self._base.unreadable([name for name in columns if name in self._base.names])
        return np.repeat(own, len(self._turned))

    def repeats(self, columns: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Rows of a row of the file that is equal to one before it."""
        return np.repeat(self._base.repeats(list(self._base.names)), len(self._turned))


def unpivot_columns(rows: Columns, origin: str, unpivot: Unpivot, kept: Collection[str], limit: int) -> Columns:
    """Rows with the columns turned whose name fits; `kept` are columns that are read as they are.

    Raises:
        FileProblem: if none fits, a name comes twice, times of columns are in no order, or there are too many rows.
    """
    _, names, codes = pattern_regex(unpivot.pattern)
    made = {*names.values(), unpivot.value, *(["interval"] if codes else [])}
    free = [name for name in rows.names if name not in kept and not unpivot.leaves(name)]
    fits = fitting_columns(free, unpivot.pattern)
    turned = [name for name, _ in fits]
    if not turned:
        raise FileProblem(
            "missing_column",
            f"{origin} has no column that fits unpivot.pattern {unpivot.pattern!r} (it has {column_list(rows.names)})",
        )
    twice = [name for name in turned if turned.count(name) > 1] if len(set(turned)) < len(turned) else []
    hidden = sorted(made & (set(rows.names) - set(turned)))
    if twice or hidden:
        what = f"two columns {twice[0]!r}" if twice else f"a column {hidden[0]!r} itself"
        raise FileProblem("missing_column", f"{origin} has {what}: correct unpivot")
    check_rows(origin, rows.rows * len(turned), limit)
    labels = {own: [found[group] for _, found in fits] for group, own in names.items()}
    if codes:
        labels["interval"] = _intervals(
            origin, [found for _, found in fits], codes, list(zip(*labels.values(), strict=True))
        )
    return UnpivotedColumns(rows, turned, labels, unpivot.value)


def fitting_columns(columns: Sequence[str], pattern: str) -> list[tuple[str, re.Match[str]]]:
    """Names of columns that fit a pattern, and how."""
    _, _, codes = pattern_regex(pattern)
    fit = _compile(pattern).fullmatch
    fits = [(name, found) for name in columns if len(name) <= _LONGEST_NAME and (found := fit(name))]
    return [(name, found) for name, found in fits if not codes or _moment(found, codes) is not None]


@lru_cache(maxsize=1024)
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern_regex(pattern)[0], re.DOTALL)


def _moment(found: re.Match[str], codes: dict[str, str]) -> tuple[str, int] | None:
    """Date ("" without one) and minutes of the day that a name says; None where it says none."""
    given = {code: found[group] for group, code in codes.items()}
    hour, minute = int(given.get("%H", given.get("%I", "0"))), int(given.get("%M", "0"))
    if "%p" in given:
        hour = hour % 12 + (12 if given["%p"][0] in "Pp" else 0)
    if hour > 47 or minute > 59:
        return None
    dates = {code: text for code, text in given.items() if code in _DATES}
    if not dates:
        return "", hour * 60 + minute
    try:
        day = datetime.strptime(" ".join(dates.values()), " ".join(dates)).date()
    except ValueError:
        return None
    return day.isoformat(), hour * 60 + minute


def _intervals(
    origin: str, found: Sequence[re.Match[str]], codes: dict[str, str], groups: Sequence[tuple[str, ...]]
) -> list[str]:
    """What each column's name says of its time; after midnight hours go on past 24, within a day of the first one.

    Raises:
        FileProblem: if times go down more than that, or to less than half a day before: which day is meant cannot be
            known.
    """
    moments = [moment for match in found if (moment := _moment(match, codes)) is not None]
    if not {"%H", "%I"} & set(codes.values()):
        return [day for day, _ in moments]
    first, last, times = dict[tuple[str, ...], int](), dict[tuple[str, ...], int](), list[str]()
    for place, (day, minute) in enumerate(moments):
        group = groups[place] if groups else ()
        if not day and minute < last.get(group, 0):
            minute += _DAY
        before = last.get(group, minute)
        if not day and (minute < before or minute > before + _DAY // 2 or minute >= first.get(group, minute) + _DAY):
            raise FileProblem(
                "missing_column",
                f"{origin}: times of its columns are in no order ({found[place].string!r} comes after a later one), so "
                "that their day cannot be known: put the columns in order",
            )
        first.setdefault(group, minute)
        last[group] = minute
        times.append(f"{day} {minute // 60:02}:{minute % 60:02}".strip())
    return times


def _concatenate(columns: list[pa.Array]) -> pa.Array:
    """Columns one after the other, as text where their types differ."""
    plain = [c.cast(c.type.value_type) if pa.types.is_dictionary(c.type) else c for c in columns]
    if len({column.type for column in plain}) == 1:
        return pa.concat_arrays(plain)
    texts = [as_text(column) for column in plain]
    blank = [pa.nulls(len(column), pa.string()) for column in plain]
    return pa.concat_arrays([none if t is None else one_array(t) for t, none in zip(texts, blank, strict=True)])
