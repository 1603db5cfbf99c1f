"""Stations that a data root holds under an id that is read in another way now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

import pyarrow as pa

from tasks.errors import SourceError
from tasks.stations.ids import plain_id
from tasks.storage.store import Store
from tasks.tables import schemas

_NEWEST = 2
"""Service days that are looked at."""


class EarlierIds:
    """Ids such as 72.0, which earlier releases kept as they were written, and which are 72 now."""

    def __init__(self, store: Store, aliases: Mapping[str, str]) -> None:
        self._store, self._aliases = store, aliases

    def check(self, stations: Iterable[str]) -> None:
        """Whether none of some stations would be a second one beside one that the data root holds.

        Raises:
            SourceError: if one would; names the alias that makes them one.
        """
        for station in stations:
            if (earlier := self._new_to_old.get(station)) is not None:
                raise SourceError(
                    f"station {earlier!r} of {self._store.url()} is read as {station!r} now, and would be two: write "
                    f'[stations] aliases = {{ "{station}" = "{earlier}" }} to go on with it, or '
                    f'{{ "{earlier}" = "{station}" }} to begin again as {station!r}'
                )

    @cached_property
    def _new_to_old(self) -> dict[str, str]:
        """Id as it is read now -> id that the data root holds."""
        days = self._store.partitions("minutes")[-_NEWEST:]
        paths = [path for path in map(schemas.minutes_file, days) if self._store.exists(path)]
        table = self._store.read_tables(paths, pa.schema([("station_id", schemas.NAME)]))
        held = schemas.name_codes(table["station_id"])[1]
        return {plain_id(name): name for name in held if plain_id(name) != name and name not in self._aliases}
