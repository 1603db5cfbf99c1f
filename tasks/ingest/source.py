"""Protocol of a source, and the pull that is asked of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from tasks.ingest.batch import SourceBatch
from tasks.ingest.event_ids import Claims
from tasks.ingest.formats.repaired import Repairs
from tasks.ingest.poll_log import PollLog


class Ledger(Protocol):
    """Identity of the inputs that were ingested of one source, by key."""

    def stamp(self, key: str) -> str | None:
        """Cheap identity (size, time or etag) of the input last ingested under this key."""

    def digest(self, key: str) -> str | None:
        """Fingerprint of the content last ingested under this key."""

    def below(self, key: str) -> list[str]:
        """Keys of the members of an archive that were ever ingested, and its own if it was ingested as a file."""

    def twin(self, key: str, digest: str, changed: Collection[str]) -> str | None:
        """Another input that counts with the very same content, if this key does not; `changed` keys have another."""

    def cursor(self, key: str) -> str | None:
        """Where the last pull of this key ended, in the source's own terms."""

    def is_valid(self, key: str) -> bool:
        """Whether what was read under this key is still valid: with this configuration, and known as early."""


UNFINISHED = 300
"""Seconds in which whoever writes a file may be in the midst of a line."""
COMPLETE = 2
"""The same of files that a person says are complete: history, and files named on the command line."""


@dataclass(frozen=True)
class Pull:
    """One request to a source.

    Attributes:
        as_of: now, UTC seconds; nothing later exists yet.
        start, end: bounds of the minutes wanted, UTC, end exclusive; None leaves that side open.
        paths: read these files instead of the configured ones.
        rest: seconds for which a file must not have changed before a last line without a line break is whole.
        done: what the ledger holds; a source skips what has not changed.
        claims: which file counts which event.
        repairs: rows of its files that people repaired.
        polls: states that earlier pulls of a source without history left.
    """

    as_of: np.datetime64
    start: np.datetime64 | None = None
    end: np.datetime64 | None = None
    paths: tuple[str, ...] = ()
    rest: int = UNFINISHED
    done: Ledger | None = None
    claims: Claims | None = None
    repairs: Repairs | None = None
    polls: PollLog | None = None

    @property
    def has_range(self) -> bool:
        """Whether only a range of minutes is asked for, so that no cursor moves."""
        return self.start is not None or self.end is not None


@runtime_checkable
class Source(Protocol):
    """Source of observations. One file in `tasks/ingest/sources` each."""

    name: str

    def pull(self, pull: Pull) -> Iterator[SourceBatch]:
        """Yield what is new, in bounded batches.

        Raises:
            SourceError: if nothing can be read at all.
        """
