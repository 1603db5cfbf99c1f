"""What a source yields: statements, what was refused, and what the ledger should know of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.arrays import Int
from tasks.ingest.rejects import Reject
from tasks.tables import schemas

Names = tuple[npt.NDArray[np.int32], Sequence[str]]
Counts = Mapping[str, tuple[npt.NDArray[np.integer], npt.NDArray[np.bool_] | None]]


@dataclass(frozen=True)
class SourceBatch:
    """What one read of a source brought, and its book-keeping. Pieces of one key come one after the other.

    All rows that a restatable key has of a service day come in one batch.

    Attributes:
        source: name of the source in the configuration.
        part: the share that this batch counts ("" for feeds of totals); see the fold.
        origin: file or address it came from, for people.
        key: what the ledger files it under: one key, one successive state.
        digest: fingerprint of the input that the batch was made of.
        observations: table of `statement_schema`; `available_at` null where the source does not say when it was known.
        rejects: rows refused, in the order of the input.
        warnings: sentences for the person who reads the run.
        stamp: cheap identity of the input, None where there is none.
        accepted: rows of the input that landed with this batch.
        failure: one line on a file that could not be used; nothing of it lands, and it is tried again.
        unchanged: the ledger knows this state; nothing to do.
        files: files that it stands for; several only where all of them are unchanged.
        appends: it adds to what its key said; otherwise it restates it.
        silence_is_zero: what its key said before and says no more has become zero.
        cursor: text from which the next pull of a source without files goes on; None leaves it where it is.
        recheck_at: moment from which the same input may say more; None where it has said all.
        recheck: keys whose input is to be read again, since this one makes room for something that they say.
        done, total: how far the pull is, for people; total 0 where nobody knows.
    """

    source: str
    part: str
    origin: str
    key: str
    digest: str
    observations: pa.Table
    rejects: Sequence[Reject] = ()
    warnings: Sequence[str] = ()
    stamp: str | None = None
    accepted: int = 0
    failure: str | None = None
    unchanged: bool = False
    files: int = 1
    appends: bool = False
    silence_is_zero: bool = False
    cursor: str | None = None
    recheck_at: np.datetime64 | None = None
    recheck: tuple[str, ...] = ()
    done: int = 0
    total: int = 0


def statement_schema(targets: Sequence[str]) -> pa.Schema:
    """Columns of `SourceBatch.observations`: those of the table less `received_at`."""
    schema = schemas.observations(targets)
    return schema.remove(schema.get_field_index("received_at"))


def statements(
    source: str, station: Names, minute: Int, part: Names, available: Int | None, counts: Counts, targets: Sequence[str]
) -> pa.Table:
    """A table of `SourceBatch.observations`.

    Args:
        source: its name.
        station: codes [row] into names.
        minute: UTC minutes since 1970 [row].
        part: codes [row] into names.
        available: microseconds since 1970 [row], NaT where unknown; None for all unknown.
        counts: values [row] by target, and which of them are given, None for all; other targets are not stated.
        targets: columns of the table.
    """
    schema, rows = statement_schema(targets), len(minute)
    columns = [
        schemas.name_array(*station),
        schemas.time_array(minute.astype("datetime64[m]")),
        schemas.name_array(*part),
        schemas.name_array(np.zeros(rows, dtype=np.int32), [source]),
        pa.nulls(rows, schemas.TIME) if available is None else schemas.time_array(available.astype("datetime64[us]")),
    ]
    for target in targets:
        values, given = counts.get(target, (None, None))
        if values is None:
            columns.append(pa.nulls(rows, pa.int32()))
        else:
            columns.append(pa.array(values.astype(np.int32, copy=False), mask=None if given is None else ~given))
    return pa.Table.from_arrays(columns, schema=schema)


def empty_batch(
    source: str, key: str, origin: str, targets: Sequence[str], rejects: Sequence[Reject] = (), **more: object
) -> SourceBatch:
    """A batch without observations; `more` are fields of `SourceBatch`."""
    known = {"part": "", "digest": "", **more}
    nothing = statement_schema(targets).empty_table()
    return SourceBatch(source=source, key=key, origin=origin, observations=nothing, rejects=rejects, **known)  # type: ignore[arg-type]
