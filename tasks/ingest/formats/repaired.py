"""Rejected rows as people repaired them: kept in the data root, in their places whenever their file is read.

They are no input of their own, because what a row counts for depends on the rows around it: which of two copies is the
duplicate, which end of a trip counts already, which of two rows of a minute is the last, what span the file covers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.arrays import Int
from tasks.ingest.formats.columns import Columns, Malformed, as_text
from tasks.ingest.formats.encodings import UNREADABLE
from tasks.storage.store import Store
from tasks.tables.schemas import one_array

Lines = Mapping[int, Sequence[str]]
"""Repaired rows by line: values in the order of the file's columns."""


class Repairs:
    """Repaired rows of the files of one source, per state of a file: a file that changes has none of them."""

    def __init__(self, store: Store, source: str) -> None:
        self._store, self._folder = store, f"repairs/{source}"

    @cached_property
    def _rows_by_key(self) -> dict[str, dict[str, Lines]]:
        held: dict[str, dict[str, Lines]] = {}
        for path in self._store.files(self._folder, ".json"):
            file = self._store.read_json(path)
            rows = {int(line): list(values) for line, values in file["rows"].items()}
            held.setdefault(file["key"], {})[file["digest"]] = rows
        return held

    def of(self, key: str, digest: str) -> Lines:
        """Repaired rows of the file that the ledger knows by `key`, while the SHA-256 of what is stored is `digest`."""
        return self._rows_by_key.get(key, {}).get(digest, {})

    def stamp(self, key: str) -> str:
        """What the stamp of a file ends in, so that new repairs make it a new one; "" without repairs."""
        states = sorted(repaired_digest(digest, rows) for digest, rows in self._rows_by_key.get(key, {}).items())
        return "+" + hashlib.sha256("\n".join(states).encode()).hexdigest()[:16] if states else ""

    def add(self, key: str, digest: str, rows: Lines) -> None:
        """Keep repaired rows, beside those of other lines that there are already.

        Raises:
            StoreError: if the data root cannot be written.
        """
        path = f"{self._folder}/{hashlib.sha256(key.encode()).hexdigest()[:32]}/{digest[:32]}.json"
        with self._store.lock(path.replace("/", "-")):
            held = (self._store.read_json(path) or {}).get("rows", {})
            rows = held | {str(line): list(values) for line, values in rows.items()}
            self._store.write_json(path, {"key": key, "digest": digest, "rows": rows})
        self.__dict__.pop("_rows_by_key", None)


def repaired_digest(digest: str, rows: Lines) -> str:
    """Digest of a file as it is read with its repaired rows; its own without any."""
    content = json.dumps(sorted((line, list(values)) for line, values in rows.items()))
    return hashlib.sha256(f"{digest}\n{content}".encode()).hexdigest() if rows else digest


class RepairedColumns(Columns):
    """A file's rows, all as text, with the repaired ones in the place of what stood on their lines."""

    def __init__(self, base: Columns, repaired: Lines) -> None:
        self._base, self.names = base, base.names
        own = np.array(sorted(repaired), dtype=np.int64)
        columns = zip(*(repaired[line] for line in own.tolist()), strict=True)
        self._repaired = [pa.array(column, pa.string()) for column in columns]
        lines = base.lines(np.arange(base.rows))
        kept = np.flatnonzero(~np.isin(lines, own))
        line = np.concatenate([lines[kept], own])
        order = np.argsort(line, kind="stable")
        self._line, self._places = line[order], np.concatenate([kept, base.rows + np.arange(len(own))])[order]

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self._line)

    def column(self, name: str) -> pa.Array:
        """One column, by its distinct values."""
        return self._replace(self._base.column(name), self.names.index(name))

    def frame(self, columns: Sequence[str]) -> pa.Table:
        """What tells rows apart, as the file has it: all its columns, or `columns`."""
        frame = self._base.frame(columns)
        named = list(columns) == frame.column_names
        places = [self.names.index(name) for name in columns] if named else range(frame.num_columns)
        replaced = [self._replace(column, i) for column, i in zip(frame.columns, places, strict=True)]
        return pa.table(replaced, names=frame.column_names)

    def lines(self, rows: Int) -> Int:
        """Lines of the file."""
        return np.asarray(self._line[rows])

    def unreadable(self, columns: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Rows in which a value is no text still."""
        own = np.zeros(len(self._line) - int((self._places < self._base.rows).sum()), dtype=bool)
        for name in columns:
            flags = pc.match_substring(self._repaired[self.names.index(name)], UNREADABLE)
            own |= np.asarray(flags.to_numpy(zero_copy_only=False), dtype=bool)
        return np.asarray(np.concatenate([self._base.unreadable(columns), own])[self._places])

    def malformed_lines(self) -> Malformed:
        """What is no row still."""
        torn = self._base.malformed_lines()
        left = np.flatnonzero(~np.isin(torn.lines, self._line)).tolist()
        reasons, texts = [torn.reasons[i] for i in left], [torn.texts[i] for i in left]
        return replace(torn, lines=torn.lines[left], reasons=reasons, texts=texts)

    def _replace(self, column: pa.Array | pa.ChunkedArray, place: int) -> pa.Array:
        whole = pa.concat_arrays([_encode(one_array(column)), _encode(self._repaired[place])])
        return whole.take(pa.array(self._places))


def _encode(column: pa.Array) -> pa.DictionaryArray:
    """As text by its distinct values, however large a column of Parquet would be without."""
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    values = as_text(coded.dictionary)
    values = pa.nulls(len(coded.dictionary), pa.string()) if values is None else values
    text = pa.DictionaryArray.from_arrays(coded.indices.cast(pa.int32()), values)
    return text.cast(pa.dictionary(pa.int32(), pa.string()))
