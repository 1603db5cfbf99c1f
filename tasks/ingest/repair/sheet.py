"""Open rejects as a CSV that people repair: safe to open in a spreadsheet, and read back as it was written."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from tasks.errors import ConfigError, StoreError

OWN = ("source", "file", "digest", "line", "reason", "text")
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?(e[+-]?\d+)?", re.IGNORECASE)
csv.field_size_limit(max(csv.field_size_limit(), 1 << 22))  # a value may be as long as a line of a source


@dataclass(frozen=True)
class SheetRow:
    """A rejected row.

    Attributes:
        source, file, digest: which state of which file.
        line: where it stood.
        reason: why, several with "; " between them.
        text: what stood there if that was no row, else "".
        cells: its values by heading.
    """

    source: str
    file: str
    digest: str
    line: int
    reason: str
    text: str
    cells: Mapping[str, str]


def headings(names: Sequence[str]) -> list[str]:
    """What the columns of a file are called beside our own: numbered where a name is taken."""
    seen = Counter(OWN)
    shown = []
    for name in names:
        seen[name] += 1
        shown.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return shown


class SheetWriter:
    """Takes the rows of a sheet as they come; all columns that it has are known after the last one."""

    def __init__(self, body: IO[str]) -> None:
        self._writer, self.columns, self.rows = csv.writer(body), dict[str, None](), 0

    def add(self, rows: Iterable[SheetRow]) -> None:
        """Add rows; columns that no row had before come last."""
        for row in rows:
            self.rows += 1
            self.columns |= dict.fromkeys(row.cells)
            own = (row.source, row.file, row.digest, str(row.line), row.reason, row.text)
            self._writer.writerow(map(guard_cell, (*own, *(row.cells.get(name, "") for name in self.columns))))


@contextmanager
def write_sheet(path: Path) -> Iterator[SheetWriter]:
    """Write the rows that are added, with the columns of all of them beside our own. The file appears whole.

    Raises:
        StoreError: if it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with TemporaryFile("w+", newline="", encoding="utf-8") as body:
            yield (sheet := SheetWriter(body))
            body.seek(0)
            heading = [*OWN, *map(guard_cell, sheet.columns)]
            with part.open("w", newline="", encoding="utf-8-sig") as out:
                writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
                writer.writerow(heading)
                writer.writerows(values + [""] * (len(heading) - len(values)) for values in csv.reader(body))
        part.replace(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)


def read_sheet(path: Path) -> Iterator[SheetRow]:
    """Rows of a file that `write_sheet` wrote, whatever spreadsheet saved it since.

    Raises:
        ConfigError: if it is none.
    """
    where = f"--path {path}"
    try:
        with path.open(newline="", encoding="utf-8-sig") as text:
            first = text.readline()
            text.seek(0)
            rows = csv.reader(text, delimiter=max(",;\t", key=first.count))
            names = [unguard_cell(name) for name in next(rows, [])]
            for name in ("source", "file", "digest", "line"):
                if name not in names:
                    raise ConfigError(f"{where}: no column {name!r}: give a file that --rejects --out wrote")
            for values in rows:
                if any(values):
                    yield _row(where, dict(zip(names, map(unguard_cell, values), strict=False)))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{where} cannot be read ({error}): save it as CSV in UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{where} cannot be read: {error.strerror or error}") from None


def _row(where: str, cells: dict[str, str]) -> SheetRow:
    source, file, digest, line, reason, text = (cells.pop(name, "") for name in OWN)
    if not line.isdecimal():
        raise ConfigError(f"{where}: line {line!r} is no number: leave that column as it was")
    return SheetRow(source, file, digest, int(line), reason, text, cells)


def guard_cell(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def unguard_cell(cell: str) -> str:
    """The reverse of `guard_cell`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
