"""`publications/latest.csv` and `publications/stations.csv`: the newest forecast for spreadsheets and scripts."""

from __future__ import annotations

from tasks.contracts import Publication
from tasks.publish._issue_columns import with_issue
from tasks.publish._newest import replace_newest
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables.csv_text import csv_bytes

FORECASTS, STATIONS = "publications/latest.csv", "publications/stations.csv"


class Csv:
    """Replaces both files, each whole; `issued_at` in both tells whether they are of one issue."""

    name = "csv"

    def __init__(self, settings: Settings) -> None:
        self._store = Store(settings.data_root)

    def publish(self, publication: Publication) -> str:
        """Write the rows of the forecast, and a row per station and target; returns the path of the forecast.

        Raises:
            StoreError: if a file cannot be written.
        """
        files = {
            FORECASTS: csv_bytes(publication.forecasts),
            STATIONS: csv_bytes(with_issue(publication, publication.stations)),
        }
        return replace_newest(self._store, self.name, files, publication.summary)


TARGET = Csv
