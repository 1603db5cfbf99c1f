"""How the text of a file is laid out: encoding, delimiter, header, and lines around the rows."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.ingest.formats.binary_kinds import PARQUET, is_binary, is_json
from tasks.ingest.formats.encodings import to_utf8
from tasks.ingest.formats.fixed_width import rule_of
from tasks.ingest.formats.header_rows import join_header
from tasks.ingest.formats.workbook import first_rows, fits_sheet, is_sheet_file
from tasks.ingest.inspect.answers import Question
from tasks.ingest.inspect.groups import has_groups
from tasks.ingest.inspect.lists import nested_keys
from tasks.ingest.inspect.words import hints_at
from tasks.ingest.limits import MAX_BYTES
from tasks.ingest.rejects import FileProblem
from tasks.ingest.rows.suggest_formats import fitting_formats
from tasks.settings.shapes import DELIMITERS
from tasks.time_formats import DATES

_DELIMITERS = ",;\t|"
_LINES = 400
_ENDS = 1 << 16
_MOST_ABOVE, _MOST_BELOW, _SOME = 30, 10, 20
_NAMED, _SURE = 3, 3
_ROLES = ("station", "time", "hour", "entry", "exit", "count", "direction")
_WESTERN = frozenset("àâäáãåçéèêëíìîïñóòôöõøúùûüÿœæßÀÂÄÁÃÅÇÉÈÊËÍÌÎÏÑÓÒÔÖÕØÚÙÛÜŒÆ°’–€§«»º\u00a0")
_ENCODINGS = ("cp1252", "cp1250", "cp1251", "gb18030", "big5", "shift_jis", "euc_kr")


@dataclass(frozen=True)
class Layout:
    """How one file is laid out.

    Attributes:
        keys: of the source, without the encoding.
        encoding: "ascii" where any would do, "utf-8", or what the source must say; None while it is asked.
        question: what must be asked; None where nothing must be.
    """

    keys: dict[str, Any]
    encoding: str | None = "ascii"
    question: Question | None = None


def find_layout(content: bytes, keys: dict[str, Any]) -> Layout:
    """Layout of a file of text; nothing where it is Parquet.

    Args:
        content: all of it, or its beginning.
        keys: header, skip_rows, delimiter, encoding and so on that were answered.
    """
    if is_sheet_file(content):
        return _sheet_layout(content, keys)
    if is_json(content) or content.startswith(PARQUET):
        known, question = nested_keys(content, keys)
        return Layout(known, "ascii" if question is None else None, question)
    if is_binary(content):
        return Layout(dict(keys))
    encoding = _encoding(content) if "encoding" not in keys else keys["encoding"]
    if isinstance(encoding, Question):
        return Layout(dict(keys), None, encoding)
    text, _ = to_utf8("", content, None if encoding in ("ascii", "utf-8") else encoding, 4 * len(content) + 64)
    top = text[: 1 << 20].decode("utf-8", "replace").removeprefix("\ufeff").splitlines()[:_LINES]
    bottom = text[-_ENDS:].decode("utf-8", "replace").splitlines()[-_MOST_BELOW - 5 :]
    known = _with_header_rows(top, _lines(top, bottom, keys))
    return Layout(known, encoding, None if "header" in known else _header_question(top, known))


def _sheet_layout(content: bytes, keys: dict[str, Any]) -> Layout:
    """The sheet of a workbook that has a table, and the lines above its header; several are asked about."""
    try:
        sheets = first_rows("the workbook", content, MAX_BYTES, _MOST_ABOVE + _SOME)
    except FileProblem:
        return Layout(dict(keys))  # stated when it is read
    tables = {title: start for title, rows in sheets.items() if (start := _table_start(rows)) is not None}
    wanted = keys.get("sheet") or (next(iter(tables)) if len(tables) == 1 else None)
    if wanted is None:
        return Layout(dict(keys), None, _which_sheet(sheets, tables))
    title = next((each for each in sheets if fits_sheet(each, wanted)), wanted)
    known = dict(keys) | ({"sheet": wanted} if wanted != next(iter(sheets)) else {})
    start, rows = tables.get(title, 0), [[str(c or "") for c in row] for row in sheets.get(title, [])]
    for above in (1, 2) if not {"header", "skip_rows"} & {*known} else ():
        first = start - above  # names may be blank below merged cells
        if first >= 0 and has_groups(rows[first : first + 3]):
            is_title = not first or sum(bool(cell.strip()) for cell in rows[first - 1]) < 2
            if "header_rows" not in known and not is_title:
                return Layout(dict(keys), None, _how_many_header_rows(rows[first - 1 : first + 2]))
            skipped = first + 2 - known.setdefault("header_rows", 2)
            return Layout(known | ({"skip_rows": skipped} if skipped > 0 else {}))
    return Layout(known | ({"skip_rows": start} if start and "skip_rows" not in known else {}))


def _how_many_header_rows(rows: Sequence[Sequence[str]]) -> Question:
    """Asked where more than a title stands above a header of two lines."""
    names = [next((name for name in reversed(join_header(lines)) if name), "") for lines in (rows, rows[1:])]
    shown = [(str(count), f"the last column is {name!r}") for count, name in zip((3, 2), names, strict=True)]
    return Question("--header-rows", "How many lines does the header have? Three may be.", shown)


def _which_sheet(sheets: Mapping[str, Sequence[Sequence[Any]]], tables: Mapping[str, int]) -> Question:
    shown = [(repr(each), f"its table begins in line {start + 1}") for each, start in tables.items()]
    heads = {tuple(sheets[each][start]) for each, start in tables.items()}
    if len(heads) == 1 and len({*tables.values()}) == 1:
        shown = [("'*'", "all of them, which have the same columns; their titles are the column sheet"), *shown]
    return Question("--sheet", f"Which sheet is read? There are {', '.join(sheets)}.", shown)


def _table_start(rows: Sequence[Sequence[Any]]) -> int | None:
    """Number of lines above the header of a sheet; None where it has no table."""
    widths = [sum(cell not in (None, "") for cell in row) for row in rows]
    usual, many = (
        Counter(width for width in widths if width > 1).most_common(1)[0] if max(widths, default=0) > 1 else (0, 0)
    )
    if many < 3:
        return None
    return next(i for i, width in enumerate(widths) if width >= usual)


def _encoding(content: bytes) -> str | Question:
    """Encoding of text, or what to ask."""
    try:
        return "ascii" if content.decode("utf-8").isascii() else "utf-8"
    except UnicodeDecodeError as error:
        if error.end >= len(content) - 4 and error.start > 1000:  # a piece of a file that ends within a character
            return "utf-8"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-8"  # its mark says what it is
    strange = sorted({chr(byte) for byte in set(content) if byte > 127})
    western = "".join(strange).encode("latin-1").decode("cp1252", "replace")
    if set(western) <= _WESTERN:
        return "cp1252"
    if known := _encoding_of_words(content):
        return known
    word = next(iter(re.findall(rb"[^\s,;|\t]*[\x80-\xff][^\s,;|\t]*", content)), b"")[:40]
    readings = [(name, word.decode(name, "replace")) for name in _ENCODINGS]
    shown = [(name, read) for name, read in readings if "\ufffd" not in read]
    return Question("--encoding", "The text is not UTF-8: in which encoding are its names as you know them?", shown)


def _encoding_of_words(content: bytes) -> str | None:
    """The one encoding in which names of the first lines are words for stations, times and people; None without one."""
    hits = dict[str, int]()
    for name in _ENCODINGS:
        try:
            lines = content[:_ENDS].decode(name, "replace").splitlines()[:_NAMED]
        except UnicodeError:
            continue
        names = [field for line in lines for field in re.split(f"[{_DELIMITERS}]", line) if not field.isascii()]
        hits[name] = sum(any(hints_at(field, role) for role in _ROLES) for field in names)
    first, second = sorted(hits, key=lambda name: -hits[name])[:2]
    return first if hits[first] >= _SURE and hits[first] > hits[second] else None


def _lines(top: Sequence[str], bottom: Sequence[str], keys: dict[str, Any]) -> dict[str, Any]:
    """Keys with those of the lines that the header and the rows do not tell by themselves."""
    known = dict(keys)
    start = known.get("skip_rows", 0)
    delimiter, width = _find_delimiter(top[start:], known.get("delimiter"))
    widths = [_width(line, delimiter) for line in top]
    if "skip_rows" not in known:
        whole = [each == width and not _is_title(line, delimiter) for each, line in zip(widths, top, strict=True)]
        first = next((i for i, fits in enumerate(whole[:_MOST_ABOVE]) if fits and width > 1), 0)
        first = next((i - 1 for i, line in enumerate(top[:_MOST_ABOVE]) if i and _is_rule(line, delimiter)), first)
        known |= {"skip_rows": first} if first else {}
        start = first
    name = {"\t": "tab"}.get(delimiter, delimiter)
    if "delimiter" not in known and start < len(top) and delimiter != max(_DELIMITERS, key=top[start].count):
        known["delimiter"] = name
    below = [_width(line, delimiter) == width for line in bottom if line.strip()]
    footer = next((i for i, fits in enumerate(reversed(below)) if fits), 0)
    if "skip_footer" not in known and 0 < footer <= _MOST_BELOW and delimiter != "blanks":
        known["skip_footer"] = footer
    return known


def _with_header_rows(top: Sequence[str], known: dict[str, Any]) -> dict[str, Any]:
    """Keys with that of a header of two lines, where the first one has the groups of the columns of the second."""
    start, delimiter = known.get("skip_rows", 0), known.get("delimiter")
    if {"header", "header_rows"} & {*known} or delimiter == "blanks" or start + 2 >= len(top):
        return known
    sign = DELIMITERS.get(delimiter or "", delimiter) or max(_DELIMITERS, key=top[start].count)
    groups = has_groups([_fields(line, sign) for line in top[start : start + 3]])
    return known | ({"header_rows": 2} if groups else {})


def _is_title(line: str, delimiter: str) -> bool:
    """Whether one field of a line has text, and the others, two at the least, are empty."""
    fields = _fields(line, delimiter)
    return len(fields) > 2 and sum(bool(field.strip()) for field in fields) == 1


def _is_rule(line: str, delimiter: str) -> bool:
    """Whether a line is the rule of dashes under the header of columns of fixed width."""
    return delimiter == "blanks" and len(line.split()) > 1 and rule_of(line) is not None


def _find_delimiter(lines: Sequence[str], given: str | None) -> tuple[str, int]:
    """What parts the columns, and how many there are."""
    if given:
        delimiter = DELIMITERS.get(given, given)
        return delimiter, _usual(lines, delimiter)[0]
    if any(rule_of(line) for line in lines[:_MOST_ABOVE] if len(line.split()) > 1):
        return "blanks", _usual(lines, "blanks")[0]
    found = {each: _usual(lines, each) for each in (*_DELIMITERS, "blanks")}
    fit = {each: (width, share) for each, (width, share) in found.items() if width > 1 and share >= 0.6}
    by_sign = {each: value for each, value in fit.items() if each != "blanks"} or fit
    if not by_sign:
        return ",", 1
    best = max(by_sign, key=lambda each: (by_sign[each][1] >= 0.95, by_sign[each][0]))
    return best, by_sign[best][0]


def _usual(lines: Sequence[str], delimiter: str) -> tuple[int, float]:
    """The most frequent number of fields of a line, and the share of lines that have it."""
    widths = Counter(_width(line, delimiter) for line in lines if line.strip())
    width, many = widths.most_common(1)[0] if widths else (1, 1)
    return width, many / max(sum(widths.values()), 1)


def _width(line: str, delimiter: str) -> int:
    if delimiter == "blanks":
        return len(line.split())
    try:
        return len(next(csv.reader([line], delimiter=delimiter), []))
    except csv.Error:
        return 0


def _header_question(top: Sequence[str], keys: dict[str, Any]) -> Question | None:
    """What to ask where the first line is a row, too: what the columns are called."""
    start = keys.get("skip_rows", 0)
    if start + 1 >= len(top):
        return None
    delimiter = DELIMITERS.get(keys.get("delimiter", ""), keys.get("delimiter")) or max(
        _DELIMITERS, key=top[start].count
    )
    first, second = (_fields(line, delimiter) for line in top[start : start + 2])
    dated = [bool(_is_time(a) and (_is_time(b) or not b)) for a, b in zip(first, second, strict=False)]
    if not any(dated) and any(re.search(r"[^\W\d_]", name) for name in first):
        return None
    if not any(dated) and sum(name.strip().isdigit() for name in first) > 6:
        return None  # columns that are called by hours or numbers
    names = ",".join(f"NAME{i}" for i in range(1, len(first) + 1))
    shown = [(names, f"one per column; the first row is {top[start][:120]}")]
    text = "The first line is a row and no header: what are the columns called, such as date, hour, station, entries?"
    return Question("--header", text, shown)


def _fields(line: str, delimiter: str) -> list[str]:
    return line.split() if delimiter == "blanks" else next(csv.reader([line], delimiter=delimiter), [])


def _is_time(text: str) -> bool:
    """Whether a text begins as a date does."""
    day = re.split(r"[T ]", text.strip())[0]
    return bool(re.search(r"\D", day)) and bool(fitting_formats([day], DATES))
