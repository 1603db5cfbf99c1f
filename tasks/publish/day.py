"""`publications/day.parquet`: the service day of every station, for the reading interface and other programs."""

from __future__ import annotations

from tasks.contracts import Publication
from tasks.publish._issue_columns import with_issue
from tasks.publish._newest import replace_newest
from tasks.settings.tree import Settings
from tasks.storage.parquet import encode_table
from tasks.storage.store import Store

PATH = "publications/day.parquet"


class Day:
    """Replaces the file whole: typical day, today so far, next hour and rest of the day, in bins."""

    name = "day"

    def __init__(self, settings: Settings) -> None:
        self._store = Store(settings.data_root)

    def publish(self, publication: Publication) -> str:
        """Write a row per station, target and bin; returns the path.

        Raises:
            StoreError: if the file cannot be written.
        """
        content = encode_table(with_issue(publication, publication.day))
        return replace_newest(self._store, self.name, {PATH: content}, publication.summary)


TARGET = Day
