"""Samples of the whole set of files, as columns that remember the text of their cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.arrays import Int
from tasks.errors import SourceError
from tasks.ingest.files.archive import archive_of, may_be_archive, open_members
from tasks.ingest.files.find import SourceFile, find_files
from tasks.ingest.formats.added import add_columns
from tasks.ingest.formats.columns import Columns, as_text
from tasks.ingest.formats.decode import decode
from tasks.ingest.inspect.answers import Question
from tasks.ingest.inspect.layout import Layout, find_layout
from tasks.ingest.inspect.pieces import header_of, read_pieces
from tasks.ingest.inspect.profile import Column
from tasks.ingest.limits import MAX_BYTES
from tasks.ingest.rejects import FileProblem
from tasks.settings.shapes import FileShape

FILES = 24
"""Files that are looked at, spread over the set: the first and the last are always among them."""
_MOST_HEADERS = 2_000


@dataclass(frozen=True)
class Sample:
    """One file of the set that was looked at.

    Attributes:
        file: which.
        rows: of it.
        content: the part that they are made of; None where that is all of the file.
    """

    file: SourceFile
    rows: Columns
    content: bytes | None

    def path(self, folder: Path) -> str:
        """Where what was looked at lies: the file or its archive, or a part of it, written below `folder`."""
        if self.content is None:
            return archive_of(self.file.origin) or self.file.origin
        path = folder / Path(self.file.key).with_suffix("") / Path(self.file.origin).name.removesuffix(".gz")
        path.parent.mkdir(parents=True)
        path.write_bytes(self.content)
        return str(path)


@dataclass(frozen=True)
class Table:
    """Files that have the same columns, in whatever order, as one table.

    Attributes:
        names: columns.
        samples: the files.
        shape: keys of the source that say how they are laid out.
        kept: positions of the rows that count; None where all do.
    """

    names: tuple[str, ...]
    samples: Sequence[Sample]
    shape: Mapping[str, Any]
    kept: Int | None = None

    @cached_property
    def rows(self) -> int:
        """How many there are in the samples."""
        return sum(sample.rows.rows for sample in self.samples)

    def column(self, name: str) -> pa.DictionaryArray:
        """One column as text by its distinct values, trimmed; "" for what is blank."""
        if name not in self._columns:
            pieces = [_readable_texts(sample.rows, name) for sample in self.samples]
            whole = pa.chunked_array(pieces).cast(pa.string()).combine_chunks()
            self._columns[name] = (whole if self.kept is None else whole.take(pa.array(self.kept))).dictionary_encode()
        return self._columns[name]

    def only(self, chosen: npt.NDArray[np.bool_]) -> Table:
        """The table of some of its rows."""
        return self if chosen.all() else replace(self, kept=np.flatnonzero(chosen))

    @cached_property
    def files(self) -> Int:
        """Which of the samples each row is of."""
        rows = np.repeat(np.arange(len(self.samples)), [sample.rows.rows for sample in self.samples])
        return rows if self.kept is None else rows[self.kept]

    def profile(self, name: str) -> Column:
        """What the values of one column are."""
        if name not in self._profiles:
            self._profiles[name] = Column.of(name, self.column(name))
        return self._profiles[name]

    @cached_property
    def _profiles(self) -> dict[str, Column]:
        return {}

    @cached_property
    def _columns(self) -> dict[str, pa.DictionaryArray]:
        return {}


def _readable_texts(rows: Columns, name: str) -> pa.Array:
    """A column as text; blank where its type cannot be read, as lists that are not unnested."""
    try:
        return _texts(rows.column(name))
    except FileProblem as problem:
        if problem.reason != "wrong_type":
            raise
        return pa.nulls(rows.rows, pa.string()).fill_null("")


def _texts(column: pa.Array) -> pa.Array:
    text = as_text(column)
    text = pa.nulls(len(column), pa.string()).fill_null("") if text is None else text
    coded = text.dictionary_encode()
    trimmed = pa.array([value.strip() for value in coded.dictionary.to_pylist()], pa.string())
    return pa.DictionaryArray.from_arrays(coded.indices, trimmed).cast(pa.string())


def found_files(paths: Sequence[str]) -> list[SourceFile]:
    """Files of paths, folders and globs.

    Raises:
        SourceError: if one matches nothing.
    """
    found = {file.origin: file for path in paths for file in find_files("init", path, what="init")}
    return [found[origin] for origin in sorted(found)]


def take_samples(files: Sequence[SourceFile], keys: Mapping[str, Any]) -> tuple[list[Table], list[Question]]:
    """Tables of the files that are looked at, the one of the most rows first; and what must be asked to read them.

    Args:
        files: the whole set.
        keys: how they are laid out, as far as it was answered.

    Raises:
        SourceError: if one of them cannot be read, or they are in different encodings.
    """
    looked = [look for file in _choose_samples(files) for look in _looks(file, keys)]
    if asked := [layout.question for _, _, layout, _ in looked if layout.question]:
        return [], list({question.line(): question for question in asked}.values())
    encoding = _one_encoding([(file, layout.encoding) for file, _, layout, _ in looked])
    tables: dict[tuple[object, ...], tuple[dict[str, Any], list[Sample]]] = {}
    for file, content, layout, cut in looked:
        shape = {**layout.keys, **encoding}
        try:
            kind = FileShape(**shape)
            rows = add_columns(decode(file.origin, content, MAX_BYTES, kind), file.origin, kind)
        except FileProblem as problem:
            raise SourceError(str(problem)) from None
        key = (*sorted(rows.names), *map(str, sorted(shape.items())))
        tables.setdefault(key, (shape, []))[1].append(Sample(file, rows, content if cut else None))
    made = [Table(tuple(samples[0].rows.names), samples, shape) for shape, samples in tables.values()]
    return sorted(made, key=lambda table: -table.rows), []


def _choose_samples(files: Sequence[SourceFile]) -> list[SourceFile]:
    """Files that are looked at: some spread over the set, and the first one of each other header that there is."""
    spread = np.unique(np.linspace(0, len(files) - 1, min(FILES, len(files))).round().astype(int)).tolist()
    if len(spread) == len(files):
        return list(files)
    known = {header_of(files[i]) for i in spread} | {b""}
    every = np.unique(np.linspace(0, len(files) - 1, min(_MOST_HEADERS, len(files))).round().astype(int)).tolist()
    for i in every:
        if len(spread) < 2 * FILES and (header := header_of(files[i])) not in known:
            known.add(header)
            spread.append(i)
    return [files[i] for i in sorted(spread)]


def _looks(file: SourceFile, keys: Mapping[str, Any]) -> list[tuple[SourceFile, bytes, Layout, bool]]:
    """A file, or the first members of an archive.

    Raises:
        SourceError: if it cannot be read.
    """
    if not may_be_archive(file):
        return [_look(file, keys)]
    try:
        with open_members(file) as members:
            return [_look(member, keys) for member in ([file] if members is None else members[:FILES])]
    except FileProblem as problem:
        raise SourceError(str(problem)) from None


def _look(file: SourceFile, keys: Mapping[str, Any]) -> tuple[SourceFile, bytes, Layout, bool]:
    """A file, what is looked at of it, how that is laid out, and whether it is a part of it."""
    content, cut = read_pieces(file)
    return file, content, find_layout(content, dict(keys)), cut


def _one_encoding(found: Sequence[tuple[SourceFile, str | None]]) -> dict[str, str]:
    """Key of the encoding that all files share; none where that is UTF-8.

    Raises:
        SourceError: if they do not.
    """
    by_name = {str(encoding): file.origin for file, encoding in found if encoding != "ascii"}
    if len(by_name) > 1:
        encodings = ", ".join(f"{origin} in {name}" for name, origin in by_name.items())
        raise SourceError(f"the files are in different encodings ({encodings}): init them apart, a source for each")
    return {} if set(by_name) <= {"utf-8", "None"} else {"encoding": next(iter(by_name))}
