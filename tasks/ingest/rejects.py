"""Rejected rows and files, and the reason of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import pyarrow as pa
import pyarrow.compute as pc

from tasks.errors import SourceError

TEXT_LENGTH = 500
KEPT = 100_000
"""Rejected rows of an origin that are kept with their text; all are counted."""
SCHEMA = pa.schema([("line", pa.int64()), ("reason", pa.string()), ("text", pa.string())])


@dataclass(frozen=True)
class Sample:
    """Values that were rejected for one reason.

    Attributes:
        column: whose they are; of several that are joined all names.
        values: distinct ones, as text.
    """

    column: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Reject:
    """One rejected row: its place in the input, the reason, and its text."""

    source: str
    origin: str
    line: int
    reason: str
    text: str


class FileProblem(SourceError):
    """A file that cannot be used at all; `reason` is one of `reasons.FILE_REASONS`."""

    def __init__(self, reason: str, line: str) -> None:
        super().__init__(line)
        self.reason = reason


class PiecesProblem(Exception):
    """What pieces of a file do not tell, so that it must be read whole."""


class Rejects(Sequence[Reject]):
    """Rejected rows of one origin: the first `KEPT` by line, held as a table of line, reason and text.

    Attributes:
        beyond: how many more there were, by reason.
        samples: values that were rejected, by reason.
    """

    def __init__(
        self,
        source: str,
        origin: str,
        table: pa.Table | None = None,
        beyond: Mapping[str, int] | None = None,
        samples: Mapping[str, Sample] | None = None,
    ) -> None:
        self.source, self.origin = source, origin
        self.table = SCHEMA.empty_table() if table is None else table
        self.beyond, self.samples = dict(beyond or {}), dict(samples or {})

    @classmethod
    def of(
        cls,
        source: str,
        origin: str,
        lines: object,
        reasons: object,
        texts: object,
        beyond: Mapping[str, int] | None = None,
        samples: Mapping[str, Sample] | None = None,
    ) -> Rejects:
        """From three columns of equal length; texts are cut to `TEXT_LENGTH` characters."""
        cut = pc.utf8_slice_codeunits(pa.array(texts, pa.string()), 0, TEXT_LENGTH)
        columns = [pa.array(lines, pa.int64()), pa.array(reasons, pa.string()), cut]
        return cls(source, origin, pa.Table.from_arrays(columns, schema=SCHEMA), beyond, samples)

    @classmethod
    def from_sequence(cls, source: str, origin: str, rejects: Sequence[Reject]) -> Rejects:
        """From any sequence of rejects of that origin."""
        if isinstance(rejects, cls):
            return rejects
        lines, reasons, texts = ([getattr(r, name) for r in rejects] for name in SCHEMA.names)
        return cls.of(source, origin, lines, reasons, texts)

    def merge(self, other: Rejects) -> Rejects:
        """Both, by line, as many as are kept."""
        whole = pa.concat_tables([self.table, other.table])
        whole = whole.take(pc.sort_indices(whole["line"]))  # `sort_by` would import what no ingest else needs
        beyond = Counter(self.beyond) + Counter(other.beyond) + Counter(_counts(whole[KEPT:]))
        return Rejects(self.source, self.origin, whole[:KEPT], beyond, {**other.samples, **self.samples})

    def counting(self, beyond: Mapping[str, int]) -> Rejects:
        """With more that are not kept, by reason."""
        more = Counter(self.beyond) + Counter(beyond)
        return Rejects(self.source, self.origin, self.table, more, self.samples)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @overload
    def __getitem__(self, index: int) -> Reject: ...
    @overload
    def __getitem__(self, index: slice) -> list[Reject]: ...
    def __getitem__(self, index: int | slice) -> Reject | list[Reject]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        row = self.table.slice(index % len(self), 1).to_pylist()[0]
        return Reject(self.source, self.origin, row["line"], row["reason"], row["text"])

    def __iter__(self) -> Iterator[Reject]:
        for batch in self.table.to_batches(max_chunksize=4096):
            for row in batch.to_pylist():
                yield Reject(self.source, self.origin, row["line"], row["reason"], row["text"])

    def counts(self) -> dict[str, int]:
        """How many of each reason, kept or not."""
        return dict(Counter(_counts(self.table)) + Counter(self.beyond))


def _counts(table: pa.Table) -> dict[str, int]:
    return {str(row["values"]): int(row["counts"]) for row in pc.value_counts(table["reason"]).to_pylist()}
