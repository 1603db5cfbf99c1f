"""How a text file is laid out: its header, its delimiter, and what stands above and below its rows."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tasks.ingest.formats.encodings import UNREADABLE
from tasks.ingest.formats.fixed_width import Rule, rule_of
from tasks.ingest.formats.header_rows import join_header
from tasks.ingest.limits import LONGEST_LINE, line_too_long
from tasks.ingest.rejects import FileProblem
from tasks.settings.shapes import DELIMITERS, FileShape

_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
_USUAL = ",;\t|"
FIRST_LINES = 10
_PIECE = 1 << 16


@dataclass(frozen=True)
class Layout:
    """What is known of a text file before its rows are parsed.

    Attributes:
        names: of its columns.
        delimiter: one character; a tab stands for blanks, which are replaced by it.
        above: lines above the first row, the header among them.
        blanks: whether blanks part the columns.
        rule: the line of dashes under the header, which tells where each column stands.
    """

    names: Sequence[str]
    delimiter: str
    above: int
    blanks: bool = False
    rule: Rule | None = None

    def without_header(self) -> Layout:
        """Of rows that follow others."""
        return replace(self, above=0)

    @property
    def has_quotes(self) -> bool:
        """Whether quotes mean something."""
        return not self.blanks


def find_layout(origin: str, content: bytes, shape: FileShape, sound: bool) -> Layout:
    """Layout of UTF-8 text, as configured, and for the rest as its header tells.

    Raises:
        FileProblem: if it is no text, or its header cannot be read or does not fit.
    """
    lines = _first_lines(origin, content, shape.skip_rows)
    blanks = shape.delimiter == "blanks"
    delimiter = "\t" if blanks else DELIMITERS.get(shape.delimiter or "", shape.delimiter) or _likeliest(lines[0])
    if not shape.header and not sound and UNREADABLE in lines[0]:
        encoding = shape.encoding or "UTF-8"
        raise FileProblem(
            "not_utf8", f'{origin} has a header that is not {encoding}: write encoding = "cp1252", or as it is'
        )
    if shape.header:
        _check_width(origin, lines, shape, delimiter)
        return Layout(list(shape.header), delimiter, shape.skip_rows, blanks)
    above = shape.skip_rows + shape.header_rows
    if not blanks:
        rows = [_names(origin, line, delimiter) for line in lines[: shape.header_rows]]
        return Layout(rows[0] if len(rows) == 1 else join_header(rows), delimiter, above)
    rule = rule_of(lines[1]) if len(lines) > 1 else None
    names = lines[0].split() if rule is None else rule.fields(lines[0])
    if names is None:
        raise _problem(origin, "its header does not fit the rule of dashes under it")
    return Layout(names, delimiter, above + (rule is not None), blanks, rule)


def without_footer(content: bytes, lines: int) -> bytes:
    """Without its last lines, blank ones not counted."""
    end = len(content)
    for _ in range(lines):
        end = _last_text(content, end)
        end = max(content.rfind(b"\n", 0, end), content.rfind(b"\r", 0, end)) + 1
    return content[:end] if lines else content


def _last_text(content: bytes, end: int) -> int:
    """Where the blanks before `end` begin."""
    while end and not (kept := len(content[max(end - _PIECE, 0) : end].rstrip())):
        end = max(end - _PIECE, 0)
    return max(end - _PIECE, 0) + kept if end else 0


def _first_lines(origin: str, content: bytes, skipped: int) -> list[str]:
    """The first lines below those that are skipped.

    Raises:
        FileProblem: if there is none, or it is too long or no text.
    """
    start, text = 0, content[: LONGEST_LINE + 3].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for _ in range(skipped):
        start = text.find(b"\n", start) + 1
        if not start:
            raise _problem(origin, f"it has no line below the {skipped:,} of skip_rows")
    ended = text.find(b"\n", start)
    if ended < 0 and len(content) > LONGEST_LINE:
        raise line_too_long(origin, skipped + 1)
    lines = text[start:].decode("utf-8", "ignore").removeprefix(_BOM).split("\n", FIRST_LINES)[:FIRST_LINES]
    if "\x00" in lines[0]:
        raise FileProblem(
            "not_utf8",
            f'{origin} is not UTF-8 text, or UTF-16 without a mark: write encoding = "utf-16", or save it as UTF-8',
        )
    return lines


def _likeliest(line: str) -> str:
    return max(_USUAL, key=line.count)


def _names(origin: str, line: str, delimiter: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error as error:
        raise _problem(origin, str(error)) from None


def _check_width(origin: str, lines: Sequence[str], shape: FileShape, delimiter: str) -> None:
    """Whether any of the first lines has as many fields as the configured header has names.

    Raises:
        FileProblem: if none has.
    """
    filled = [line for line in lines if line.strip()]
    blanks = shape.delimiter == "blanks"
    widths = [len(line.split() if blanks else _names(origin, line, delimiter)) for line in filled]
    if filled and len(shape.header) not in widths:
        raise FileProblem(
            "missing_column",
            f"{origin} has {widths[0]:,} fields in its first line, and header names {len(shape.header):,}: "
            "correct header, skip_rows or delimiter",
        )


def _problem(origin: str, why: str) -> FileProblem:
    return FileProblem("unreadable_file", f"{origin} cannot be read as CSV: {why}")
