"""Counts and names as files give them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.arrays import Int
from tasks.ingest.formats.columns import as_text
from tasks.ingest.rows.format_numbers import is_missing, may_be_thousands, plain_numbers, with_plain_digits
from tasks.ingest.rows.rejections import Rejections
from tasks.settings.sources.rows import RowSource
from tasks.stations.ids import IdMap, is_excluded, plain_id

LARGEST = 2**31 - 1
"""Count that a table holds at the most."""
LARGEST_READING = 2**53
"""Reading of a counter up to which every whole number differs from the next."""
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$"
_PLAIN = re.compile(r"[+-]?\d{1,18}(\.\d+)?")
_BLANK = ("", "nan", "null")
BLANK, UNSAFE, NOWHERE, AMBIGUOUS, EXCLUDED = -1, -2, -3, -4, -5
"""Codes of names: not given, rejected, that no row has, that may be two, and of a station that is left out."""
LONGEST_NAME = 200
_NO_NAME, _TWO_NAMES, _LEFT_OUT = "\x00", "\x01", "\x02"
_SIGNED = r"^[+-]\d{1,18}([.,]\d{1,18})?$"
_UNSAFE = (
    r"[\p{Cc}\p{Zl}\p{Zp}\x{AD}\x{61C}\x{180E}\x{200B}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2060}-\x{206F}\x{FEFF}"
    r"\x{FFF9}-\x{FFFB}\x{E0000}-\x{E007F}]"
    r"|^[=@+\-\x{FF1D}\x{FF20}\x{FF0B}\x{FF0D}]|^\.+$"
)


class Spellings:
    """Texts of each station id that is a fraction: two texts of one number may be two stations.

    Attributes:
        late: whether a second text came after rows that had been validated by the first alone.
    """

    def __init__(self) -> None:
        self._texts: dict[str, set[str]] = {}
        self.late = False

    def add(self, texts: dict[str, set[str]]) -> None:
        """Add the texts of a piece, by number."""
        for name, own in texts.items():
            known = self._texts.setdefault(name, set())
            self.late |= len(known) == 1 and not own <= known
            known |= own

    def several(self, name: str) -> bool:
        """Whether a number was written in several ways."""
        return len(self._texts.get(name, ())) > 1


@dataclass(frozen=True)
class CountValues:
    """Whole numbers of a column, [row] each.

    Attributes:
        values: people, or readings; 0 where nothing is given.
        given: rows that have a sound one.
        wrong: rows with one that cannot be read; None for none.
        withheld: rows with a word that the source calls missing; None for none.
    """

    values: npt.NDArray[np.int32] | npt.NDArray[np.int64]
    given: npt.NDArray[np.bool_]
    wrong: npt.NDArray[np.bool_] | None
    withheld: npt.NDArray[np.bool_] | None


def read_counts(
    column: pa.Array,
    config: RowSource,
    rejections: Rejections,
    rows: npt.NDArray[np.bool_] | None = None,
    largest: int | None = None,
    *,
    takes_back: bool = False,
) -> CountValues:
    """Whole numbers of a column; rows are rejected whose number is not whole, negative or too large.

    How numbers are written is what the source says: without a word of it 1,204 is no number. A blank (also null, NaN
    and what the source calls missing) is no count, and no fault.

    Args:
        column: text or numbers.
        config: how numbers are written.
        rejections: of the same rows.
        rows: those that are validated; None for all.
        largest: above it a number is absurd; None for the maximum of the source.
        takes_back: whether numbers below zero are sound.
    """
    if largest is None and (plain := _plain_counts(column, config)) is not None:
        return CountValues(plain, np.broadcast_to(np.True_, len(plain)), None, None)
    largest = min(config.maximum, LARGEST) if largest is None else largest
    values, which = distinct_values(column)
    numbers, blank, withheld = _numbers(values, config)
    given = ~blank
    with np.errstate(invalid="ignore"):
        faults = (
            ("not_a_number", given & np.isnan(numbers)),
            ("negative", given & (numbers < 0) & (not takes_back)),
            ("absurd", given & (np.abs(numbers) > largest)),
            ("not_whole", given & (numbers != np.floor(numbers))),
        )
    sound = given.copy()
    for reason, wrong in faults:
        sound &= ~wrong
        if wrong.any():
            rejections.reject(wrong[which] if rows is None else wrong[which] & rows, reason)
    whole = np.where(sound, numbers, 0)
    fitting = whole.astype(np.int32) if largest <= LARGEST else whole.astype(np.int64)
    all_sound = sound[:-1].all() and not column.null_count
    wrong = given & ~sound
    return CountValues(
        fitting[which],
        np.ones(len(which), dtype=bool) if all_sound else sound[which],
        wrong[which] if wrong.any() else None,
        withheld[which] if withheld.any() else None,
    )


def _plain_counts(column: pa.Array, config: RowSource) -> npt.NDArray[np.int32] | None:
    """Whole numbers of a column of which every one is a count; None where that takes a closer look."""
    if not pa.types.is_int32(column.type) or column.null_count or config.missing or not len(column):
        return None
    ends = pc.min_max(column)
    if ends["min"].as_py() < 0 or ends["max"].as_py() > config.maximum:
        return None
    return np.asarray(column.to_numpy())


def read_numbers(column: pa.Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Numbers of a column, NaN where it has none, and which rows are blank; true is 1 and false 0."""
    values, which = distinct_values(column)
    if pa.types.is_string(values.type):
        for word, digit in (("true", "1"), ("false", "0")):
            values = pc.replace_substring_regex(values, rf"(?i)^\s*{word}\s*$", digit)
    numbers, blank, _ = _numbers(values)
    return numbers[which], blank[which]


def distinct_values(column: pa.Array) -> tuple[pa.Array, Int]:
    """Distinct values of a column (the last one null), and which one each row has."""
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    return pa.concat_arrays([coded.dictionary, pa.nulls(1, coded.dictionary.type)]), places(coded)


def distinct_texts(column: pa.Array) -> tuple[pa.Array, Int]:
    """As `distinct_values`, as trimmed text: blank for null, and for what has no text form."""
    values, which = distinct_values(column)
    text = as_text(values)
    text = pa.nulls(len(values), pa.string()).fill_null("") if text is None else text
    return pc.utf8_trim_whitespace(text), which


def places(coded: pa.DictionaryArray) -> Int:
    """Which of its distinct values each row has; the place after the last one where it is null."""
    indices = coded.indices if not coded.null_count else pc.fill_null(coded.indices, len(coded.dictionary))
    return np.asarray(indices.to_numpy(zero_copy_only=False), dtype=np.int64)


def _numbers(
    values: pa.Array, config: RowSource | None = None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Values as float64, NaN where they are no numbers; which are blank; which of those are withheld."""
    kind, words = values.type, () if config is None else config.missing
    withheld_numbers = [float(word) for word in words if _PLAIN.fullmatch(word)]
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = np.array(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
        withheld = np.isin(numbers, withheld_numbers)
        return numbers, np.isnan(numbers) | withheld, withheld
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        nothing = np.asarray(values.is_null().to_numpy(zero_copy_only=False), dtype=bool)
        return np.full(len(values), np.nan), nothing, np.zeros(len(values), dtype=bool)
    text = pc.utf8_lower(pc.utf8_trim_whitespace(pc.fill_null(values.cast(pa.string()), "")))
    text = with_plain_digits(text)
    blank, withheld = is_missing(text, _BLANK), is_missing(text, words)
    if config is not None and (config.thousands or config.decimal):
        text = plain_numbers(text, config.thousands, config.decimal)
    elif config is not None:
        text = pc.if_else(pa.array(may_be_thousands(text)), None, text)
    endless = pc.match_substring_regex(text, r"^[+-]?inf(inity)?$")
    formed = pc.or_(pc.match_substring_regex(text, _NUMBER), endless)
    digits = pc.if_else(formed, pc.utf8_ltrim(text, "+"), None)
    numbers = np.array(digits.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
    withheld |= np.isin(numbers, withheld_numbers)
    return numbers, blank | withheld, withheld


def read_names(column: pa.Array) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Trimmed names of a column as codes into a list without duplicates; `BLANK` or `UNSAFE` where there is none.

    A name is unsafe if it is longer than `LONGEST_NAME` characters, has control or invisible formatting characters
    (line breaks, overrides of the writing direction, zero-width spaces; joiners between letters are writing), is made
    of dots alone, or begins as a formula of a spreadsheet does: with = or @, or with + or - and is no number.
    """
    texts, which = _name_texts(column)
    return _name_codes(texts, which)


def holds_secret(codes: npt.NDArray[np.int32], names: Sequence[str], secrets: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which rows have a name that holds one of `secrets`.

    Args:
        codes: places in `names`, [row]; negative ones have no name.
        names: distinct names.
        secrets: of the source.
    """
    held = [code for code, name in enumerate(names) if any(secret in name for secret in secrets)]
    return np.isin(codes, held) if held else np.zeros(len(codes), dtype=bool)


def read_joined_names(columns: Sequence[pa.Array]) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Names of several columns as one, joined by a bar; one that is unsafe in any of them is `UNSAFE`."""
    if len(columns) == 1:
        return read_names(columns[0])
    read = [read_names(column) for column in columns]
    cells, which = np.unique(np.stack([codes for codes, _ in read]), axis=1, return_inverse=True)
    spelled = [["", *(name.replace("|", "||") for name in names)] for _, names in read]
    texts = []
    for cell in cells.T.tolist():
        joined = "|".join(names[code + 1] for names, code in zip(spelled, cell, strict=True))
        texts.append(_NO_NAME if UNSAFE in cell else joined)
    return _name_codes(texts, which.reshape(-1))


def read_station_ids(
    column: pa.Array, aliases: Mapping[str, str], earlier: Spellings | None = None, excluded: Sequence[str] = ()
) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Names of stations, see `read_names`, of which one that is a number is written in one way.

    Tools that take ids for numbers write 72 as 72.0 and 5379.10 as 5379.1, so zeros at the end of a fraction go:
    text, doubles, decimals and whole numbers name the same stations. Zeros in front stay. Two texts of one column that
    differ in such zeros may be two stations, and are `AMBIGUOUS`, unless an alias says what they are; an alias to
    itself keeps an id as it is written.

    Args:
        column: text or numbers.
        aliases: id of the source, as it is written or as it is read -> id of the network.
        earlier: texts of earlier pieces of the input; those of this one are added.
        excluded: ids of the network, or patterns, of stations that are left out: `EXCLUDED`.
    """
    texts, which = _name_texts(column)
    plain, ids = [plain_id(text) for text in texts], IdMap(aliases)
    spellings: dict[str, set[str]] = {}
    for text, name in zip(texts, plain, strict=True):
        if text not in aliases and "." in name:
            spellings.setdefault(name, set()).add(text)
    names = [ids.network_id(text) for text in texts]
    names = [_LEFT_OUT if excluded and is_excluded(name, excluded) else name for name in names]
    written = earlier or Spellings()
    written.add(spellings)
    for i, (text, name) in enumerate(zip(texts, plain, strict=True)):
        if text not in aliases and written.several(name) and names[i] != _LEFT_OUT:
            names[i] = _TWO_NAMES
    return _name_codes(names, which)


def _name_texts(column: pa.Array) -> tuple[list[str], Int]:
    """Distinct names of a column as text, `_NO_NAME` for unsafe ones and the last one blank; and each row's."""
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    values = coded.dictionary
    if pa.types.is_floating(values.type):  # numbers that met a null on their way, or ids that were taken for numbers
        finite = pc.if_else(pc.is_finite(values), values, None)
        whole = pc.and_(pc.equal(finite, pc.floor(finite)), pc.less(pc.abs(finite), 2.0**63))
        digits = pc.if_else(whole, finite, None).cast(pa.int64(), safe=False).cast(pa.string())
        values = pc.coalesce(digits, finite.cast(pa.string()))
    trimmed = pc.fill_null(pc.utf8_trim_whitespace(values.cast(pa.string())), "")
    unsafe = pc.or_(pc.match_substring_regex(trimmed, _UNSAFE), pc.greater(pc.utf8_length(trimmed), LONGEST_NAME))
    unsafe = pc.and_not(unsafe, pc.match_substring_regex(trimmed, _SIGNED))
    return [*pc.if_else(unsafe, _NO_NAME, trimmed).to_pylist(), ""], places(coded)


def _name_codes(texts: Sequence[str], which: Int) -> tuple[npt.NDArray[np.int32], list[str]]:
    codes = {"": BLANK, _NO_NAME: UNSAFE, _TWO_NAMES: AMBIGUOUS, _LEFT_OUT: EXCLUDED}
    names = sorted({*texts} - {*codes})
    place = {name: code for code, name in enumerate(names)} | codes
    return np.array([place[name] for name in texts], dtype=np.int32)[which], names


def code_of(names: Sequence[str], name: str | None) -> int:
    """Code of a name among those of a column, `NOWHERE` where it is not there."""
    return names.index(name) if name is not None and name in names else NOWHERE
