"""Where a polled feed is to be asked next, and what it need not say again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.ingest.rejects import FileProblem
from tasks.ingest.rows.parse_times import read_times

LONGEST = 4096
_AHEAD = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Place:
    """Where the next pull begins. A page with rows that are not over yet is read once more when they are.

    Attributes:
        start: cursor of its first request.
        reached: cursor that the last pull came to, if that is further.
        until: when all rows that it left for later are over, ISO 8601.
        setup: fingerprint of the configuration that all before it was read by.
    """

    start: str | None = None
    reached: str | None = None
    until: str | None = None
    setup: str | None = None

    @classmethod
    def of(cls, text: str) -> Place:
        """From the text that the ledger keeps."""
        return cls(**json.loads(text))

    def text(self) -> str:
        """For the ledger."""
        return json.dumps({key: value for key, value in asdict(self).items() if value is not None})

    def after(self, reached: str | None, held: str | None, until: np.datetime64 | None, as_of: np.datetime64) -> Place:
        """The place after a pull that began here.

        Args:
            reached: cursor that it came to.
            held: cursor of the first page with rows that are not over yet.
            until: when all of those are over; None where there are none.
            as_of: now.
        """
        if until is None:
            return Place(reached, setup=self.setup)
        if held == self.start and self.until is not None:
            if as_of < np.datetime64(self.until):
                return self
            held = self.reached  # the rows before it have been read again by now
        return Place(held, reached, str(until), self.setup)


def cursor_text(origin: str, value: object) -> str | None:
    """A cursor as a reply gives it; None for null, false and an empty text.

    Raises:
        FileProblem: if it is no text or number, or too long.
    """
    if value is None or value is False or value == "":
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    if isinstance(value, dict | list | bool) or len(text) > LONGEST:
        raise FileProblem("bad_reply", f"{origin} gives {text[:40]!r} as its next cursor: correct next")
    return text.encode("utf-8", "replace").decode("utf-8")


def check_cursor(origin: str, cursor: str | None, secrets: Sequence[str]) -> str | None:
    """The cursor, which is kept between pulls.

    Raises:
        FileProblem: if it holds one of `secrets`.
    """
    if cursor and any(secret in cursor for secret in secrets):
        raise FileProblem("bad_reply", f"{origin} gives a cursor that holds a secret of the source: correct next")
    return cursor


def largest(column: pa.Array, present: str | None, timezone: str, as_of: np.datetime64) -> str | None:
    """The largest of a column and the present cursor: of numbers by size, else alphabetically.

    A time of more than a day from now is no cursor, or a stray one would end the feed.
    """
    values = pc.unique(column.cast(pa.string())).drop_null()
    times = read_times(values, timezone).utc
    sane = values.filter(pa.array(np.isnat(times) | (times <= as_of + _AHEAD)))
    numbers: dict[str, Decimal | None] = {text: _number(text) for text in [present, *sane.to_pylist()] if text}
    finite = {text: number for text, number in numbers.items() if number is None or number.is_finite()}
    if None in finite.values():
        return max(finite)
    return max(finite, key=lambda text: finite[text] or Decimal(0), default=None)


def conditions(stamp: str | None, cursor: str | None) -> dict[str, str]:
    """Headers that ask for a page only if it is not what is known of it."""
    known = json.loads(stamp) if stamp else {}
    if known.get("cursor") != cursor:
        return {}
    names = {"etag": "If-None-Match", "modified": "If-Modified-Since"}
    return {names[key]: known[key] for key in names if key in known}


def stamp_of(headers: Mapping[str, str], cursor: str | None, secrets: Sequence[str]) -> str | None:
    """What to know of a page for the next time; None where its reply has no ETag and no Last-Modified.

    One that holds one of `secrets` is not kept.
    """
    validators = {"etag": headers.get("etag"), "modified": headers.get("last-modified")}
    short = {key: text for key, text in validators.items() if text and text.isascii() and len(text) <= LONGEST}
    known = {key: text for key, text in short.items() if not any(secret in text for secret in secrets)}
    return json.dumps({"cursor": cursor, **known}) if known else None


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
