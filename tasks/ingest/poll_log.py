"""Polled states of a source that states no history: one file per poll, written once, until they are not needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tasks.storage.store import Store

_MOST = 5000
"""Polls that are kept at most, should none ever land."""


@dataclass(frozen=True)
class PollLog:
    """Polls of one source by their moment, under `polls/<source>/`."""

    store: Store
    source: str

    def moments(self) -> list[np.datetime64]:
        """Moments of the polls that are kept, UTC seconds, ascending."""
        files = self.store.files(self._folder, ".parquet")
        names = [path.rsplit("/", 1)[-1].removesuffix(".parquet") for path in files]
        return sorted(np.datetime64(int(name), "s") for name in names if name.isdecimal())

    def read(self, moment: np.datetime64, schema: pa.Schema) -> pa.Table:
        """The state of one poll."""
        return self.store.read_tables([self._path(moment)], schema)

    def add(self, moment: np.datetime64, state: pa.Table) -> None:
        """Keep the state of a poll; one of the same moment is kept as it was."""
        if not self.store.exists(self._path(moment)):
            self.store.write_table(self._path(moment), state)

    def drop_before(self, moment: np.datetime64) -> None:
        """Remove polls of before a moment, and the oldest of far too many."""
        kept = self.moments()
        for old in [each for i, each in enumerate(kept) if each < moment or i < len(kept) - _MOST]:
            self.store.delete(self._path(old))

    @property
    def _folder(self) -> str:
        return f"polls/{self.source}"

    def _path(self, moment: np.datetime64) -> str:
        return f"{self._folder}/{int(moment.astype('datetime64[s]').astype(np.int64))}.parquet"
