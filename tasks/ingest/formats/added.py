"""Columns that every row of a file has alike: constants, and what the file's path says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.arrays import Int
from tasks.ingest.formats.columns import Columns, Malformed
from tasks.ingest.rejects import FileProblem
from tasks.settings.column_patterns import is_date, path_regex
from tasks.settings.shapes import FileShape

_HIVE = re.compile(r"(?:^|/)([A-Za-z_][\w.-]*)=([^/]*)(?=/)")
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


class AddedColumns(Columns):
    """Rows of a file with columns beside its own that have one value each."""

    def __init__(self, base: Columns, values: Mapping[str, str]) -> None:
        self._base, self._values = base, values
        self.names = [*base.names, *values]

    @property
    def rows(self) -> int:
        """How many there are."""
        return self._base.rows

    def column(self, name: str) -> pa.Array:
        """One column."""
        if name not in self._values:
            return self._base.column(name)
        return pa.DictionaryArray.from_arrays(np.zeros(self.rows, dtype=np.int32), pa.array([self._values[name]]))

    def frame(self, columns: Sequence[str]) -> pa.Table:
        """What tells rows apart in the file."""
        return self._base.frame(self._own(columns))

    def lines(self, rows: Int) -> Int:
        """Lines of the file."""
        return self._base.lines(rows)

    def texts(self, rows: Int, columns: Sequence[str]) -> pa.Array:
        """Texts of the file."""
        return self._base.texts(rows, self._own(columns))

    def malformed_lines(self) -> Malformed:
        """What is no row of the file."""
        return self._base.malformed_lines()

    def unreadable(self, columns: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Rows in which a value is no text."""
        return self._base.unreadable(self._own(columns))

    def _own(self, columns: Sequence[str]) -> list[str]:
        return [name for name in columns if name not in self._values]


def add_columns(rows: Columns, origin: str, shape: FileShape) -> Columns:
    """Rows with the constants of their source, and with what their path says where the file does not say it.

    Raises:
        FileProblem: if the path does not fit, or a constant would hide a column of the file.
    """
    hidden = [name for name in shape.constants if name in rows.names]
    if hidden:
        raise FileProblem("missing_column", f"{origin} has a column {hidden[0]!r} itself: leave it out of constants")
    found_values = {**_hive_values(origin), **_path_values(origin, shape), **shape.constants}
    added = {name: value for name, value in found_values.items() if name not in rows.names}
    return AddedColumns(rows, added) if added else rows


def path_tells(origin: str, shape: FileShape) -> bool:
    """Whether rows have columns of what the path of their file says."""
    return bool(shape.path_pattern or _hive_values(origin))


def _hive_values(origin: str) -> dict[str, str]:
    """Values of the folders of a path that are called key=value."""
    return {key: unquote(value) if value != _HIVE_NULL else "" for key, value in _HIVE.findall(origin)}


def _path_values(origin: str, shape: FileShape) -> dict[str, str]:
    """What a path says by the configured pattern: names, and a date.

    Raises:
        FileProblem: if it does not fit.
    """
    if not shape.path_pattern:
        return {}
    pattern, names, codes = path_regex(shape.path_pattern)
    found = re.search(pattern, origin)
    problem = FileProblem(
        "missing_column", f"{origin} does not fit path_pattern {shape.path_pattern!r}: correct it, or path"
    )
    if found is None:
        raise problem
    values = {name: found[place] for place, name in names.items()}
    if codes and not is_date(codes):
        values["path_date"] = "-".join(found[place] for place in codes)
    elif codes:
        text = " ".join(found[place] for place in codes)
        try:
            moment = datetime.strptime(text, " ".join(codes.values()))
        except ValueError:
            raise problem from None
        timed = any(code in ("%H", "%I") for code in codes.values())
        values["path_date"] = moment.isoformat(" ", "minutes") if timed else moment.date().isoformat()
    return values
