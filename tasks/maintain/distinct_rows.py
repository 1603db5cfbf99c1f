"""Deduplicate and sort the rows of a service day of observations, and drop superseded versions.

Pure; the same set of rows gives the same table, and so the same name, in whatever files it came.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.arrays import Int
from tasks.errors import StoreError
from tasks.tables import schemas

NAMES, TIMES = ("station_id", "part", "source"), ("minute_utc", "available_at", "received_at")
KEYS = ("station_id", "minute_utc", "part", "available_at", "received_at", "source")
"""The order of rows; counts come after."""
NULL_CODE = np.iinfo(np.int64).min
"""Stands for null, before all else."""


def count_columns(table: pa.Table) -> list[str]:
    """Counts of an observations table, whatever the network counts today, by name.

    Raises:
        StoreError: if it is no observations table.
    """
    missing = [name for name in KEYS if name not in table.column_names]
    others = sorted(set(table.column_names) - set(KEYS))
    strange = [name for name in others if not pa.types.is_int32(table.schema.field(name).type)]
    if missing or strange:
        what = f"lacks {', '.join(missing)}" if missing else f"has columns that are no counts: {', '.join(strange)}"
        raise StoreError(f"this is no file of observations: it {what}")
    return others


def unite(pieces: Iterable[pa.Table]) -> pa.Table:
    """The distinct rows of several tables by `KEYS`, then counts; a count that a table lacks is null.

    Raises:
        StoreError: if one of them is no observations table.
    """
    held = list(pieces)
    targets = sorted({name for piece in held for name in count_columns(piece)})
    schema = schemas.observations(targets)
    whole = pa.concat_tables([schema.empty_table(), *(with_columns(piece, schema) for piece in held)])
    codes, names = _codes(whole, targets)
    order = np.lexsort(tuple(codes[name] for name in reversed((*KEYS, *targets))))
    again = np.ones(max(len(order) - 1, 0), dtype=bool)
    for values in codes.values():
        ordered = values[order]
        again &= ordered[1:] == ordered[:-1]
    return _table({k: v[order[np.append(True, ~again)[: len(order)]]] for k, v in codes.items()}, names, targets)


def thin_rows(table: pa.Table, cutoff: np.datetime64) -> pa.Table:
    """Rows without which the fold would say something else, today or at any moment from `cutoff` on.

    Of what was known by the cutoff, a (station, minute, part, source) keeps the last row, and the last that states each
    count; all that is equal to them in both moments is kept.
    """
    targets = count_columns(table)
    codes, _ = _codes(table, targets)
    old = np.flatnonzero(codes["available_at"] <= cutoff.astype("datetime64[us]").astype(np.int64))
    if not len(old):
        return table
    group_keys = [codes[name][old] for name in ("station_id", "minute_utc", "part", "source")]
    moments = [codes[name][old] for name in ("available_at", "received_at")]
    order = np.lexsort((*reversed(moments), *reversed(group_keys)))
    starts = _starts([key[order] for key in group_keys])
    group = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(order))))
    keep = np.zeros(len(order), dtype=bool)
    for says in (np.ones(len(order), dtype=bool), *((codes[t][old] != NULL_CODE)[order] for t in targets)):
        last = np.maximum.reduceat(np.where(says, np.arange(len(order)), -1), starts)[group]
        tied = says & (last >= 0)
        for moment in moments:
            tied &= moment[order] == moment[order][last]
        keep |= tied
    wanted = np.ones(table.num_rows, dtype=bool)
    wanted[old[order[~keep]]] = False
    return _table(*_codes(table.filter(pa.array(wanted)), targets), targets)


def fingerprint(table: pa.Table, about: Sequence[str]) -> str:
    """Twenty-four hexadecimal digits of what rows and `about` say, whichever way they are written down."""
    targets = count_columns(table)
    codes, names = _codes(table, targets)
    digest = hashlib.sha256("\n".join([*about, "", *targets]).encode())
    for name in NAMES:
        digest.update("\x00".join([name, *names[name]]).encode())
    for name in (*KEYS, *targets):
        digest.update(codes[name].tobytes())
    return digest.hexdigest()[:24]


def with_columns(piece: pa.Table, schema: pa.Schema) -> pa.Table:
    """With the columns of the schema, nulls where it has none."""
    columns = [piece[f.name] if f.name in piece.column_names else pa.nulls(len(piece), f.type) for f in schema]
    return pa.table(columns, names=schema.names).cast(schema)


def _codes(table: pa.Table, targets: Sequence[str]) -> tuple[dict[str, Int], dict[str, list[str]]]:
    """Every column as integers that sort as it does, null first; and the names of those that are names."""
    codes: dict[str, Int] = {}
    names: dict[str, list[str]] = {}
    for name in NAMES:
        own, names[name] = schemas.name_codes(table[name])
        codes[name] = own.astype(np.int64)
    for name in TIMES:
        codes[name] = schemas.numpy_times(table[name]).astype(np.int64)
    for name in targets:
        column = table[name].combine_chunks()
        values = column.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
        codes[name] = np.where(column.is_valid().to_numpy(zero_copy_only=False), values, NULL_CODE)
    return codes, names


def _table(codes: dict[str, Int], names: dict[str, list[str]], targets: Sequence[str]) -> pa.Table:
    """The reverse of `_codes`."""
    columns: dict[str, pa.Array] = {name: schemas.name_array(codes[name], names[name]) for name in NAMES}
    columns |= {name: schemas.time_array(codes[name].astype("datetime64[us]")) for name in TIMES}
    for name in targets:
        is_known: npt.NDArray[np.bool_] = codes[name] != NULL_CODE
        columns[name] = pa.array(np.where(is_known, codes[name], 0), pa.int64(), mask=~is_known).cast(pa.int32())
    schema = schemas.observations(targets)
    return pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)


def _starts(keys: Sequence[Int]) -> Int:
    """Positions where any of the sorted keys changes."""
    change = np.zeros(len(keys[0]), dtype=bool)
    change[:1] = True
    for key in keys:
        change[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(change)
