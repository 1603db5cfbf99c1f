"""Settings of the shape of a source's files: how their text is laid out, before any of it is understood."""

from __future__ import annotations

import codecs
from fnmatch import fnmatchcase

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tasks.errors import ConfigError, about
from tasks.settings.column_patterns import path_regex, pattern_regex

DELIMITERS = {"tab": "\t", "blanks": "blanks"}
_NO_TEXT = ("idna", "punycode", "raw-unicode-escape", "raw_unicode_escape", "unicode-escape", "unicode_escape", "utf-7")
_NO_DELIMITERS = '"\r\n\x00 .+-'


class Unpivot(BaseModel):
    """Which columns of a file become rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pattern: str = Field(
        description='Names of columns that become rows: "%H%M-*", "{station_id}", "{target} %H:%M". Codes give the '
        "column interval, {names} columns of their own."
    )
    value: str = Field("value", min_length=1, description="What their values are called as a column.")
    exclude: tuple[str, ...] = Field(
        (),
        max_length=1000,
        exclude_if=lambda names: not names,
        description='Names, or patterns with * and ?, of columns that stay as they are. ["Weather", "Note*"]',
    )

    def leaves(self, column: str) -> bool:
        """Whether a column stays as it is, whatever the pattern fits."""
        return any(column == name or fnmatchcase(column, name) for name in self.exclude)

    @field_validator("pattern")
    @classmethod
    def _sound(cls, pattern: str) -> str:
        with about("unpivot.pattern"):
            _, names, codes = pattern_regex(pattern)
        if not names and not codes:
            raise ConfigError(f"unpivot.pattern = {pattern!r} says nothing: give codes such as %H%M, or a {{name}}")
        dated, yeared = {"%m", "%d", "%j", "%b", "%B"} & set(codes.values()), {"%Y", "%y"} & set(codes.values())
        if dated and not yeared:
            raise ConfigError(f"unpivot.pattern = {pattern!r} has a date without a year: add %Y or %y")
        return pattern


class FileShape(BaseModel):
    """How the files of a source are laid out; each key is left out of the dump while it has its default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    header: tuple[str, ...] = Field(
        (),
        exclude_if=lambda names: not names,
        description="Names of the columns of files without a header line, in their order.",
    )
    header_rows: int = Field(
        1,
        ge=1,
        le=4,
        exclude_if=lambda rows: rows == 1,
        description="Lines of the header, one above the other, of CSV and workbooks: their cells make a name, joined "
        "by a blank; a blank one of an upper line is what stands to its left.",
    )
    skip_rows: int = Field(
        0, ge=0, le=10_000, exclude_if=lambda rows: rows == 0, description="Lines at the top, above the header."
    )
    skip_footer: int = Field(
        0, ge=0, le=10_000, exclude_if=lambda rows: rows == 0, description="Lines at the end, blank ones not counted."
    )
    delimiter: str | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description='Of text: a character, "tab", or "blanks" (columns of fixed width, or parted by any number of '
        "blanks); found from the header without it.",
    )
    encoding: str | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description='Of text: "cp1252", "latin-1", "gb18030", "big5"; UTF-8, or as a byte order mark says, without it.',
    )

    sheet: str | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description='Sheet of a workbook, or "*" or "2024*" for all that fit, whose columns must be the same and whose '
        "titles are the column sheet; the first one without it.",
    )

    records: str = Field(
        "", exclude_if=lambda path: not path, description="Dotted path to the array of records in JSON."
    )
    unnest: tuple[str, ...] = Field(
        (),
        exclude_if=lambda paths: not paths,
        description="Fields of JSON, or columns of Parquet, that hold lists of which each item becomes a row; lists of "
        'one record that are named together belong together, item by item. ["times", "counts"]',
    )
    unpivot: Unpivot | None = Field(
        None, exclude_if=lambda value: value is None, description="Columns of a file that become rows."
    )
    constants: dict[str, str] = Field(
        default_factory=dict, exclude_if=lambda values: not values, description="Columns that every row has alike."
    )
    path_pattern: str | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description='What a file\'s path says as columns: "NBT%y%m%d_{kind}.csv"; codes give the column path_date. '
        "Folders called key=value become columns by themselves.",
    )

    @field_validator("path_pattern")
    @classmethod
    def _sound_path(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            with about("path_pattern"):
                path_regex(pattern)
        return pattern

    @field_validator("header")
    @classmethod
    def _named_once(cls, header: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(header)) < len(header):
            raise ConfigError("header: a name is there twice")
        return header

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, delimiter: str | None) -> str | None:
        if delimiter is None or delimiter in DELIMITERS:
            return delimiter
        if len(delimiter) != 1 or not delimiter.isascii() or delimiter.isalnum() or delimiter in _NO_DELIMITERS:
            raise ConfigError(f'delimiter = {delimiter!r}: give a character such as "," or ";", or "tab", or "blanks"')
        return delimiter

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str | None) -> str | None:
        try:
            if encoding is not None:
                name = codecs.lookup(encoding).name
                codecs.getincrementaldecoder(encoding)("replace").decode(b"x", True).encode()
                if name in _NO_TEXT:
                    raise LookupError
        except (LookupError, AttributeError, TypeError, ValueError, AssertionError):
            raise ConfigError(
                f'encoding = {encoding!r} is unknown: give one such as "utf-8", "cp1252", "latin-1", "utf-16"'
            ) from None
        return encoding


AS_IT_IS = FileShape()  # type: ignore[call-arg]
"""Files that say themselves what they are."""
