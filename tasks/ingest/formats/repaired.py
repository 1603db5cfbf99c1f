"""Rows of files as people repaired them: kept in the data root, laid over the file whenever it is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from tasks.arrays import Int
from tasks.ingest.formats.columns import Columns, Malformed, as_text
from tasks.storage.store import Store
from tasks.tables.schemas import one_array


@dataclass(frozen=True)
class Overlay:
    """_Repaired rows of one state of one file.

    Attributes:
        key: what the ledger files it under.
        digest: SHA-256 of the file as it is stored; another state of the file has nothing of this.
        rows: values in the order of the file's columns, by line.
    """

    key: str
    digest: str
    rows: Mapping[int, Sequence[str]]

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the file as it is read with this."""
        rows = json.dumps(sorted((line, list(values)) for line, values in self.rows.items()))
        return hashlib.sha256(f"{self.digest}\n{rows}".encode()).hexdigest()


class Overlays:
    """Those of one source."""

    def __init__(self, store: Store, source: str) -> None:
        self._store, self._folder = store, f"repairs/{source}"

    @cached_property
    def _marks(self) -> dict[str, str]:
        marks: dict[str, str] = {}
        for path in self._store.files(self._folder, ".json"):
            name = path.split("/")[-2]
            seen = marks.get(name, "").encode() + (self._store.read_bytes(path) or b"")
            marks[name] = hashlib.sha256(seen).hexdigest()[:16]
        return marks

    def mark(self, key: str) -> str:
        """Fingerprint of all repairs of a key, after a +; "" where there are none."""
        mark = self._marks.get(_name(key)) if self._marks else None
        return f"+{mark}" if mark else ""

    def of(self, key: str, digest: str) -> Overlay | None:
        """Repairs of a state of a file."""
        if not self.mark(key):
            return None
        held = self._store.read_json(self._path(key, digest))
        if held is None or (held["key"], held["digest"]) != (key, digest):
            return None
        return Overlay(key, digest, {int(line): tuple(values) for line, values in held["rows"].items()})

    def add(self, repairs: Overlay) -> None:
        """Keep repairs, beside those of other lines that there are already."""
        path = self._path(repairs.key, repairs.digest)
        with self._store.lock(path.replace("/", "-")):
            held = (self._store.read_json(path) or {}).get("rows", {})
            rows = {**held, **{str(line): list(values) for line, values in repairs.rows.items()}}
            self._store.write_json(path, {"key": repairs.key, "digest": repairs.digest, "rows": rows})
        self.__dict__.pop("_marks", None)

    def _path(self, key: str, digest: str) -> str:
        return f"{self._folder}/{_name(key)}/{digest[:32]}.json"


def _name(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def laid_over(rows: Columns, overlay: Overlay | None) -> Columns:
    """Rows of a file with the repaired ones in the place of what stood on their lines."""
    return rows if overlay is None else _Repaired.of(rows, overlay)


@dataclass(frozen=True)
class _Repaired(Columns):
    """A file's rows, some of them repaired.

    Attributes:
        base: as the file has them.
        values: text of the repaired rows, a column each.
        order: each row's place in `base`, or beyond its rows that in `values`.
        line: each row's line in the file.
    """

    base: Columns
    names: Sequence[str]
    values: Sequence[pa.Array]
    order: Int
    line: Int

    @classmethod
    def of(cls, base: Columns, overlay: Overlay) -> _Repaired:
        """From the rows and what goes over them; ragged repairs are filled with blanks, or cut."""
        repaired = np.array(sorted(overlay.rows), dtype=np.int64)
        width = len(base.names)
        rows = [[*overlay.rows[line], *[""] * width][:width] for line in repaired.tolist()]
        values = [pa.array([row[i] for row in rows], pa.string()) for i in range(width)]
        lines = base.lines(np.arange(base.rows))
        kept = np.flatnonzero(~np.isin(lines, repaired))
        line = np.concatenate([lines[kept], repaired])
        order = np.argsort(line, kind="stable")
        places = np.concatenate([kept, base.rows + np.arange(len(repaired))])
        return cls(base, base.names, values, places[order], line[order])

    @property
    def rows(self) -> int:
        return len(self.order)

    def column(self, name: str) -> pa.Array:
        return self._over(self.base.column(name), self.names.index(name))

    def _over(self, column: pa.Array | pa.ChunkedArray, place: int) -> pa.Array:
        whole = one_array(column)
        return pa.concat_arrays([_coded(whole), _coded(self.values[place])]).take(pa.array(self.order))

    def frame(self, columns: Sequence[str]) -> pa.Table:
        frame = self.base.frame(columns)
        named = list(columns) == frame.column_names
        places = [self.names.index(name) for name in columns] if named else range(frame.num_columns)
        over = [self._over(column, i) for column, i in zip(frame.columns, places, strict=True)]
        return pa.table(over, names=frame.column_names)

    def lines(self, rows: Int) -> Int:
        return np.asarray(self.line[rows])

    def malformed(self) -> Malformed:
        torn = self.base.malformed()
        left = np.flatnonzero(~np.isin(torn.lines, self.line))
        pick = left.tolist()
        return replace(
            torn, lines=torn.lines[left], reasons=[torn.reasons[i] for i in pick], texts=[torn.texts[i] for i in pick]
        )

    def texts(self, rows: Int, columns: Sequence[str]) -> pa.Array:
        own = self.order[rows] >= self.base.rows
        out = np.full(len(rows), "", dtype=object)
        out[~own] = self.base.texts(self.order[rows][~own], columns).to_pylist()
        out[own] = super().texts(rows[own], columns).to_pylist()
        return pa.array(out, pa.string())

    def cells(self, rows: Int) -> list[list[str]]:
        own = self.order[rows] >= self.base.rows
        held = iter(self.base.cells(self.order[rows][~own]))
        repaired = pa.array(self.order[rows][own] - self.base.rows)
        mended = iter(zip(*(column.take(repaired).to_pylist() for column in self.values), strict=True))
        return [list(next(mended)) if mine else next(held) for mine in own.tolist()]

    def split(self, text: str) -> list[str]:
        return self.base.split(text)


def _coded(column: pa.Array) -> pa.DictionaryArray:
    """As text by its distinct values."""
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    values = as_text(coded.dictionary)
    if values is None:
        values = pa.nulls(len(coded.dictionary), pa.string())
    return pa.DictionaryArray.from_arrays(coded.indices.cast(pa.int32()), values).cast(
        pa.dictionary(pa.int32(), pa.string())
    )
