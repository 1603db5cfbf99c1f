"""The built-in city as a source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tasks.arrays import Int
from tasks.errors import ConfigError
from tasks.ingest.batch import SourceBatch, empty_batch
from tasks.ingest.source import Pull
from tasks.ingest.sources import source_kind
from tasks.ingest.sources.simulate.city import City, Observed, simulate_days
from tasks.ingest.statements import Statements
from tasks.settings.sources.simulate import SimulateSource
from tasks.settings.tree import Network

_KEY, _ORIGIN = "city", "the simulated city"
_LATEST = np.timedelta64(3, "D")  # no count of the city becomes known later than this after its minute
_COUNTED = ("entries", "exits")


@source_kind("simulate")
class Simulate:
    """Counts of the simulated city, each known when its gates would have sent it."""

    def __init__(self, config: SimulateSource, network: Network) -> None:
        strange = [target for target in network.targets if target not in _COUNTED]
        if strange:
            raise ConfigError(
                f"source {config.name!r}: the simulated city counts entries and exits, not {strange[0]!r}: "
                "correct targets in [network], or take another kind of source"
            )
        self.name, self._config, self._network = config.name, config, network
        self._city = City(
            config.stations,
            config.seed,
            network.timezone,
            network.country,
            network.subdivision,
            network.interval_minutes,
        )

    def pull(self, pull: Pull) -> Iterator[SourceBatch]:
        """One batch per UTC day: what became known since the last pull, the history of the city at first."""
        cursor = pull.done.cursor(_KEY) if pull.done and not pull.has_range else None
        since = np.datetime64(cursor, "s") if cursor else None
        about = empty_batch(self.name, _KEY, _ORIGIN, self._network.targets, digest=str(pull.as_of), appends=True)
        if since is not None and pull.as_of <= since:
            yield replace(about, unchanged=True)
            return
        about = replace(about, cursor=None if pull.has_range else str(pull.as_of.astype("datetime64[s]")))
        yield about
        start, end = self._span(pull, since)
        total = int((end - start) // np.timedelta64(1, "D")) + 2
        for number, observed in enumerate(simulate_days(self._city, start, end), 1):
            known = observed.available_at <= pull.as_of
            if since is not None:
                known &= observed.available_at > since
            statements = self._statements(observed, np.flatnonzero(known))
            yield replace(about, statements=statements, accepted=len(statements), done=number, total=max(total, number))

    def _span(self, pull: Pull, since: np.datetime64 | None) -> tuple[np.datetime64, np.datetime64]:
        """UTC minutes to look at, on the grid."""
        history = np.timedelta64(7 * self._config.weeks, "D")
        first = pull.start if pull.start is not None else (pull.as_of - history if since is None else since - _LATEST)
        last = pull.as_of if pull.end is None else min(pull.end, pull.as_of)
        step = self._network.interval_minutes
        lo, hi = (int(t.astype("datetime64[m]").astype(np.int64)) for t in (first, last))
        return np.datetime64(-(-lo // step) * step, "m"), np.datetime64(max(hi, lo) // step * step, "m")

    def _statements(self, observed: Observed, rows: Int) -> Statements:
        targets = self._network.targets
        return Statements.from_counts(
            (observed.station_id[rows], observed.stations),
            observed.minute_utc[rows].astype(np.int64),
            (np.zeros(len(rows), dtype=np.int32), [""]),
            observed.available_at[rows].astype("datetime64[us]").astype(np.int64),
            {target: (getattr(observed, target)[rows], None) for target in targets},
            targets,
        )
