"""What the signals of alerts would have raised at past origins, kept per service day, for thresholds to be chosen from.

`alert_signals/service_date=D/part.parquet` has a row per signal, moment, station and target where the signal was strong
or where it came true. `alert_signals/service_date=D/spread.json` says of how many stations and moments, and how far the
sums of counts lay from their forecasts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.alert_signals import SIGNALS, Signal, crowding_signal, find_limits, limit_signal
from tasks.arrays import Float, Int
from tasks.count_sums import DEFAULT_FACTOR, standard_error
from tasks.settings.tree import Settings
from tasks.storage.parquet import decode_table, encode_table
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.issues import Issues

LEAST = {"limit": 0.02, "crowding": 1.0}
"""Strength from which a signal is kept."""
ENOUGH = 2.0
"""Expected people from which a sum says something of the spread."""
LEVEL = 0.9
MOST_ERRORS = 2_000_000


@dataclass
class SignalDay:
    """The signals of one service day, while its issues are scored."""

    settings: Settings
    rows: list[pa.Table] = field(default_factory=list)
    errors: dict[str, list[npt.NDArray[np.float32]]] = field(default_factory=lambda: {name: [] for name in SIGNALS})
    stations: set[str] = field(default_factory=set)
    origins: int = 0

    def add(self, issues: Issues, truth: Float, parts: Int) -> None:
        """Add issues whose hour is over, with what was counted, [C, O, S, H]; of the stations at `parts`."""
        alerts, interval = self.settings.alerts, self.settings.network.interval_minutes
        issues, truth = issues.at_stations(parts), truth[:, :, parts]
        limits = find_limits(issues.usual, issues.stations, issues.targets, alerts, interval)
        signals = {
            "limit": limit_signal(issues.mean, issues.quantiles, limits, truth, interval, alerts.window_minutes),
            "crowding": crowding_signal(issues.mean, issues.quantiles, truth, interval, alerts.crowding_minutes),
        }
        self.origins += len(issues.origins)
        self.stations.update(issues.stations)
        delay = {"limit": 0, "crowding": alerts.crowding_minutes}
        for name, signal in signals.items():
            self.rows.append(_rows(name, signal, issues, np.timedelta64(delay[name], "m")))
            self._add_errors(name, signal)

    def include(self, other: SignalDay) -> None:
        """Add what another part of the day has."""
        self.rows += other.rows
        self.origins += other.origins
        self.stations |= other.stations
        for name, parts in other.errors.items():
            if sum(map(len, self.errors[name])) < MOST_ERRORS:
                self.errors[name] += parts

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All that was added, as arrays for a file; `restore` is the reverse."""
        return {
            "origins": np.array(self.origins),
            "stations": np.array(sorted(self.stations), np.str_),
            "rows": np.frombuffer(encode_table(self._table()), np.uint8),
            **{name: np.concatenate([np.zeros(0, np.float32), *parts]) for name, parts in self.errors.items()},
        }

    def restore(self, held: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over what `arrays` of another part of the day gave.

        Raises:
            StoreError: if the rows are damaged.
        """
        self.origins, self.stations = int(held["origins"]), set(held["stations"].tolist())
        self.rows = [decode_table(held["rows"].tobytes(), schemas.ALERT_SIGNALS)]
        self.errors = {name: [held[name]] for name in SIGNALS}

    def save(self, store: Store, day: str) -> None:
        """Replace the files of the day.

        Raises:
            StoreError: if they cannot be written.
        """
        folder = schemas.day_folder("alert_signals", day)
        store.write_table(f"{folder}/part.parquet", self._table())
        store.write_json(f"{folder}/spread.json", self._spread())

    def _table(self) -> pa.Table:
        return pa.concat_tables([schemas.ALERT_SIGNALS.empty_table(), *self.rows]).unify_dictionaries()

    def _add_errors(self, name: str, signal: Signal) -> None:
        """Keep errors of sums, in standard deviations; a bounded number of them."""
        if sum(map(len, self.errors[name])) < MOST_ERRORS:
            errors = standard_error(signal.actual, signal.forecast, signal.variance)
            known = np.isfinite(errors) & (signal.forecast >= ENOUGH)
            self.errors[name].append(errors[known].astype(np.float32))

    def _spread(self) -> dict[str, Any]:
        """Size of the day, and the level of each signal's errors that a tenth of them exceeds."""
        found: dict[str, Any] = {"stations": len(self.stations), "origins": self.origins}
        for name, parts in self.errors.items():
            errors = np.concatenate([np.zeros(0, np.float32), *parts])
            level = float(np.quantile(errors, LEVEL)) if len(errors) else None
            found[name] = {"errors": len(errors), "level_90": level}
        return found


def _rows(name: str, signal: Signal, issues: Issues, delay: np.timedelta64) -> pa.Table:
    """Rows of one signal, of the moments at which it was strong or came true."""
    strength = signal.strength(name, DEFAULT_FACTOR)
    c, o, s = np.nonzero((strength >= LEAST[name]) | (signal.above == 1))
    columns: Sequence[pa.Array] = [
        schemas.name_array(np.zeros(len(o), np.int32), [name]),
        schemas.time_array(issues.origins[o] + delay),
        schemas.name_array(s, issues.stations),
        schemas.name_array(c, issues.targets),
        *(pa.array(x[c, o, s].astype(np.float32)) for x in (signal.forecast, signal.variance, signal.value)),
        pa.array(signal.above[c, o, s] == 1, mask=np.isnan(signal.above[c, o, s])),
    ]
    return pa.Table.from_arrays(list(columns), schema=schemas.ALERT_SIGNALS)
