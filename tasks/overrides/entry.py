"""Entries of the ledger of overrides: one that scales forecasts, or one that ends another."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tasks.errors import ConfigError, StoreError, visible

LEAST_FACTOR, MOST_FACTOR = 1e-3, 20.0
"""A factor of 0 is applied as the least, so that the forecast without it stays known: mean over factor."""
LONGEST = np.timedelta64(31, "D")
AHEAD = 2 * LONGEST
"""An override ends so long after it was added, at the latest."""
LONGEST_TEXT = 200


@dataclass(frozen=True)
class Override:
    """What a person expects of some hours to come. Times are UTC.

    Attributes:
        added_at: when it was added; forecasts issued before do not know it.
        who, why: for the ledger and for readers of the forecast.
        factor: of the forecast's people, 0 to `MOST_FACTOR`.
        start, end: minutes from, to before.
        stations: the stations it is about, as they were when it was added.
        scope: how the person named them: a station's id, or `line L`.
        target: the target it is about; None for all.
    """

    added_at: np.datetime64
    who: str
    why: str
    factor: float
    start: np.datetime64
    end: np.datetime64
    stations: tuple[str, ...]
    scope: str
    target: str | None = None

    @property
    def override_id(self) -> str:
        """Eight hexadecimal digits of its content."""
        return _digest(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """As the ledger holds it."""
        return {"action": "add", **_plain(asdict(self))}


@dataclass(frozen=True)
class Removal:
    """The end of an override before its time.

    Attributes:
        added_at: when it was added; forecasts issued before do not know it.
        who, why: for the ledger.
        of: id of the override.
    """

    added_at: np.datetime64
    who: str
    why: str
    of: str

    def to_json(self) -> dict[str, Any]:
        """As the ledger holds it."""
        return {"action": "remove", **_plain(asdict(self))}


def parse_entry(content: Any, where: str) -> Override | Removal:
    """An entry of the ledger.

    Raises:
        StoreError: if it is none; names the file.
    """
    try:
        fields = dict(content)
        action = fields.pop("action")
        moments = ("added_at", "start", "end") if action == "add" else ("added_at",)
        fields |= {name: np.datetime64(fields[name].removesuffix("Z"), "us") for name in moments}
        if action == "remove":
            return Removal(**fields)
        return Override(**{**fields, "stations": tuple(fields["stations"]), "factor": float(fields["factor"])})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{where} is no entry of the ledger of overrides ({error}): move it away") from None


def check_override(override: Override) -> None:
    """Whether an override may enter the ledger.

    Raises:
        ConfigError: one line, if a number, a time or a text is out of bounds.
    """
    if not (math.isfinite(override.factor) and 0 <= override.factor <= MOST_FACTOR):
        raise ConfigError(f"override: the factor {override.factor:g} is not between 0 and {MOST_FACTOR:g}")
    if override.end <= override.start:
        raise ConfigError(f"override: the end {override.end}Z is not after the start {override.start}Z")
    if override.end <= override.added_at:
        raise ConfigError(f"override: it would be over since {override.end}Z: give an end that is to come")
    if override.end - override.start > LONGEST:
        raise ConfigError("override: it lasts longer than 31 days: what lasts so long, models learn by themselves")
    if override.end - override.added_at > AHEAD:
        raise ConfigError(f"override: its end {override.end}Z is more than 62 days ahead: add it later")
    check_texts(override.who, override.why)


def check_texts(who: str, why: str) -> None:
    """Whether somebody is named, and a reason given, each on one line.

    Raises:
        ConfigError: if not.
    """
    for name, text in (("who", who), ("why", why)):
        if not text.strip():
            raise ConfigError(f"override: {name} is empty: the ledger says who changed a forecast, and why")
        if len(text) > LONGEST_TEXT or visible(text) != text:
            raise ConfigError(f"override: {name} is not one line of at most {LONGEST_TEXT} characters")


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: f"{value.astype('datetime64[s]')}Z" if isinstance(value, np.datetime64) else value
        for name, value in fields.items()
    }


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
