"""Open, carry on and close alerts as forecasts are issued. Pure: open alerts and signals in, changes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tasks.alerts.episodes import CALM_MINUTES, CLOSE_SHARE

CALM = np.timedelta64(CALM_MINUTES, "m")


@dataclass(frozen=True)
class Reading:
    """What one signal says of one station and target at one moment.

    Attributes:
        signal, station_id, target: of what.
        strength: probability or surprise.
        forecast: people expected in the window.
        value: the limit, or the people counted.
    """

    signal: str
    station_id: str
    target: str
    strength: float
    forecast: float
    value: float

    @property
    def key(self) -> str:
        """What tells its alert from others."""
        return f"{self.signal}|{self.target}|{self.station_id}"


def follow(
    held: Mapping[str, Mapping[str, Any]],
    readings: Sequence[Reading],
    thresholds: Mapping[str, float],
    moment: np.datetime64,
    label: Callable[[str], str] = str,
) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """Alerts that are open after a moment, and all that there is to say of it.

    Args:
        held: open alerts by key.
        readings: what the signals say, of every series where they are not weak; others keep their alerts until calm.
        thresholds: by signal.
        moment: UTC.
        label: name of a station for people, by its id.

    Returns:
        Open alerts by key; and alerts with `state` opened, ongoing or closed, strongest first: JSON-able, each with
        `signal`, `station_id`, `target`, `strength`, `threshold`, `forecast`, `value`, `opened_at`, `strong_at` (when
        it was strong last) and `sentence` (its text when it opened).
    """
    now, known = f"{moment.astype('datetime64[s]')}Z", {reading.key: reading for reading in readings}
    after: dict[str, dict[str, Any]] = {}
    alerts = []
    for key, alert in held.items():
        reading = known.get(key)
        strong = reading is not None and reading.strength >= CLOSE_SHARE * alert["threshold"]
        seen = now if strong else alert["strong_at"]
        current = {**alert, **(_numbers(reading) if reading else {}), "strong_at": seen}
        if moment - np.datetime64(seen.removesuffix("Z"), "s") >= CALM:
            alerts.append({**current, "state": "closed"})
        else:
            after[key] = current
            alerts.append({**current, "state": "ongoing"})
    for key, reading in known.items():
        if key not in held and reading.strength >= thresholds[reading.signal]:
            fresh = {**asdict(reading), **_numbers(reading), "threshold": thresholds[reading.signal]}
            after[key] = {**fresh, "opened_at": now, "strong_at": now, "sentence": describe(reading, label)}
            alerts.append({**after[key], "state": "opened"})
    return after, sorted(alerts, key=lambda alert: (alert["signal"], -alert["strength"], alert["station_id"]))


def describe(reading: Reading, label: Callable[[str], str]) -> str:
    """What an alert says when it opens."""
    what, expected = f"{reading.target} at {label(reading.station_id)}", f"{reading.forecast:,.0f} expected"
    if reading.signal == "limit":
        return f"{what} may go above {reading.value:,.0f}: {expected}, probability {reading.strength:.0%}"
    return f"{what}: {reading.value:,.0f} people in the last minutes, {expected}"


def _numbers(reading: Reading) -> dict[str, float]:
    return {
        "strength": round(reading.strength, 3),
        "forecast": round(reading.forecast, 1),
        "value": round(reading.value, 1),
    }
