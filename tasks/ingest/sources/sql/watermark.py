"""Watermarks: how far a table has been read, in the column's own terms."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import floor, isfinite
from typing import Any, Literal

import numpy as np

from tasks.clock import to_local

SECONDS, NUMBERS = 3600, 10_000
_CLOCK_CHANGE = 3600  # a wall clock goes back by it in autumn
_TEXT = re.compile(
    r"^(\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?)?)(?:[.,]\d+)?"  # wall clock
    r"(?: ?(Z|UTC|([+-]\d{2}):?(\d{2})?))?$"  # offset
)

Kind = Literal["number", "moment", "wall", "text"]


@dataclass(frozen=True)
class Mark:
    """A value of a watermark column.

    Attributes:
        kind: a whole number, a time with an offset, a time without one, or ISO 8601 text (all of one form).
        value: int, aware datetime, naive datetime or str, as the kind says.
    """

    kind: Kind
    value: Any

    @classmethod
    def of(cls, value: object) -> Mark:
        """Mark of what a database returned; numbers are floored.

        Raises:
            ValueError: if it is neither a time nor a number.
        """
        if isinstance(value, datetime):
            return cls("wall", value) if value.tzinfo is None else cls("moment", value.astimezone(UTC))
        if isinstance(value, date):
            return cls("wall", datetime(value.year, value.month, value.day))
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool) and isfinite(value):
            return cls("number", floor(value))
        if isinstance(value, str) and (found := _TEXT.match(value)):
            datetime.fromisoformat(found[1])
            return cls("text", value)
        raise ValueError(value)

    @classmethod
    def parse(cls, text: str, like: Mark) -> Mark | None:
        """The mark that `text` was made of, None where it was of another kind than `like`."""
        try:
            if like.kind == "text":
                return cls.of(text)
            found = cls.of(int(text) if like.kind == "number" else datetime.fromisoformat(text))
        except ValueError:
            return None
        return found if found.kind == like.kind else None

    def __lt__(self, other: Mark) -> bool:
        """Whether it comes before another one; never, if that is of another kind."""
        return self.kind == other.kind and bool(self.value < other.value)

    @property
    def text(self) -> str:
        """The mark for the ledger."""
        return str(self.value.isoformat() if self.kind in ("moment", "wall") else self.value)

    def by(self, as_of: np.datetime64, zone: str) -> Mark:
        """The mark, or now if that is earlier: a clock that runs ahead shall not hide what comes after it is set.

        Args:
            as_of: now, UTC.
            zone: time zone of times without an offset.
        """
        if self.kind == "number":
            return self
        if self.kind == "moment":
            now = as_of.astype("datetime64[us]").item().replace(tzinfo=UTC)
            return replace(self, value=min(self.value, now))
        if self.kind == "wall":
            return replace(self, value=min(self.value, self._now(as_of, zone)))
        return replace(self, value=min(self.value, self._format_like(self._now(as_of, zone))))

    def behind(self, overlap: int | None) -> Mark:
        """The mark from which the next pull reads.

        Args:
            overlap: seconds or numbers; None for the default of the kind.
        """
        if self.kind == "number":
            return replace(self, value=self.value - (NUMBERS if overlap is None else overlap))
        back = timedelta(seconds=SECONDS if overlap is None else overlap)
        if self.kind == "moment":
            return replace(self, value=self.value - back)
        if self.kind == "wall":
            return replace(self, value=self.value - back - timedelta(seconds=_CLOCK_CHANGE))
        found = self._parts()
        change = 0 if found[2] in ("Z", "UTC") else _CLOCK_CHANGE
        return replace(
            self, value=self._format_like(datetime.fromisoformat(found[1]) - back - timedelta(seconds=change))
        )

    def _parts(self) -> re.Match[str]:
        """Of a text: its wall clock, and its offset."""
        found = _TEXT.match(self.value)
        assert found is not None  # `of` took no other
        return found

    def _format_like(self, moment: datetime) -> str:
        """A wall-clock time in the form of this text, which sorts before what has more digits or an offset."""
        form = self._parts()[1]
        return moment.isoformat(form[10:11] or "T")[: len(form)]

    def _now(self, as_of: np.datetime64, zone: str) -> datetime:
        """Now as the clock of the column shows it."""
        utc: datetime = as_of.astype("datetime64[s]").item()
        offset = self._parts()[2] if self.kind == "text" else None
        if offset is None:
            local: datetime = to_local(np.array([as_of.astype("datetime64[m]")]), zone)[0].item()
            return local
        if offset in ("Z", "UTC"):
            return utc
        hours, minutes = int(self._parts()[3]), int(self._parts()[4] or 0)
        return utc + timedelta(hours=hours, minutes=minutes if hours >= 0 else -minutes)
