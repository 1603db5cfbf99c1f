"""`publications/station_activities.csv`: the expected counts of the next hour in the columns of TIDES."""

from __future__ import annotations

from tasks.contracts import Publication
from tasks.errors import about
from tasks.publish._newest import replace_newest
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables.csv_text import csv_bytes
from tasks.tables.export import forecast_counts
from tasks.tables.tides import tides_table

PATH = "publications/station_activities.csv"


class Tides:
    """Replaces the file whole; see `tasks.tables.tides`."""

    name = "tides"

    def __init__(self, settings: Settings) -> None:
        self._store, self._network = Store(settings.data_root), settings.network

    def publish(self, publication: Publication) -> str:
        """Write a row per station and interval, whole people; returns the path.

        Raises:
            ConfigError: if TIDES has no column for a target.
            StoreError: if the file cannot be written.
        """
        counts = forecast_counts(self._network, publication.forecasts, whole=True)
        with about("[publish] targets: tides"):
            content = csv_bytes(tides_table(counts, self._network), self._network.timezone)
        return replace_newest(self._store, self.name, {PATH: content}, publication.summary)


TARGET = Tides
