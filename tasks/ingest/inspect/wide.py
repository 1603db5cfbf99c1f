"""Files with a column per interval, day or station: which of their columns become rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product

from tasks.errors import SourceError
from tasks.ingest.formats.unpivot import fitting_columns, unpivot_columns
from tasks.ingest.inspect.answers import Answers, Choice, Question
from tasks.ingest.inspect.grid import INTERVALS
from tasks.ingest.inspect.groups import directed_stations
from tasks.ingest.inspect.matrix import DESTINATION, ORIGIN, Matrix, find_matrix, shares_names
from tasks.ingest.inspect.number_clocks import find_number_clocks
from tasks.ingest.inspect.profile import Column
from tasks.ingest.inspect.samples import Table
from tasks.ingest.inspect.weekdays import WEEKDAY_COLUMN, weekday_columns
from tasks.ingest.inspect.words import hints_at, is_value_of, words_of
from tasks.ingest.limits import MAX_BYTES
from tasks.ingest.rejects import FileProblem
from tasks.ingest.rows.suggest_formats import read_both_ways
from tasks.settings.shapes import Unpivot
from tasks.time_formats import SLOT

VALUE = "people"
_FEWEST, _FEWEST_HOURS, _HOURS_OF_DAY = 3, 12, 24
_MOST_SHOWN = 6
_CLOCKS = ("%H:%M", "%H:%M:%S", "%H.%M", "%Hh%M", "%H%M", "%I:%M %p", "%I:%M%p", "%I %p", "%I%p", "%I:%M:%S %p")
_HOURS = ("%H", "%Hh", "%H h", "%H Uhr", "%H시", "%H時", "%H时", "%H点")
_RANGES = ("", "-*", " - *", "–*", " – *", " to *", "_*")
_DATES = (
    *("%y-%m-%d", "%y/%m/%d", "%y.%m.%d"),
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y"),
    *(f"{a}{sep}{b}{sep}%{year}" for sep, year in product("/.-", "Yy") for a, b in (("%d", "%m"), ("%m", "%d"))),
)
_MOMENTS = (
    *(f"{date}{between}{clock}" for date, between, clock in product(_DATES, " T", ("%H:%M", "%H:%M:%S"))),
    *_DATES,
    *(clock + rest for clock, rest in product((*_CLOCKS, *_HOURS), _RANGES)),
)
_TWO_CLOCKS = re.compile(r"\d{4}\D{1,4}\d{4}")
_SIDES = ("{direction} ", "{direction}_", "{direction}-")


@dataclass(frozen=True)
class _Reading:
    """A pattern, and the columns that fit it."""

    pattern: str
    columns: Sequence[str]


def turn_columns(table: Table, pattern: str | None, exclude: Sequence[str] = ()) -> Choice[Table]:
    """A table whose columns per interval, day or station are rows; as it is where it has none.

    Args:
        table: as the files have it.
        pattern: of the columns, where it was answered.
        exclude: names or patterns of columns that stay as they are.

    Raises:
        SourceError: if the pattern fits no column, or the columns are in no order.
    """
    if pattern:
        return Choice(_turn(table, pattern, exclude))
    columns = {name: table.profile(name) for name in table.names}
    numbers = [name for name, column in columns.items() if _holds_numbers(column)]
    if days := weekday_columns(numbers):
        rest = [name for name in table.names if name not in days]
        return Choice(_turn(table, f"{{{WEEKDAY_COLUMN}}}", rest), (), {"a row per": f"day: {_quote_names(days)}"})
    counts = [name for name in numbers if columns[name].texts and not columns[name].time_formats]
    if matrix := find_matrix(columns, counts):
        return _turn_matrix(table, columns[matrix.rows], matrix)
    _check_days_of_month(numbers)
    if slots := _slot_columns(numbers):
        pattern, named = slots
        stay = [name for name in table.names if name not in named and fitting_columns([name], pattern)]
        notes = {"a row per": f"column {pattern}: {_quote_names(named)}"}
        return Choice(_turn(table, pattern, stay), (), notes)
    found = _readings(numbers)
    if read_both_ways([reading.pattern for reading in found]):
        return Choice(None, [_ask_day(found)])
    if found:
        notes = {"a row per": f"column {found[0].pattern}: {_quote_names(found[0].columns)}"}
        return Choice(_turn(table, found[0].pattern), (), notes)
    placed = any(hints_at(name, "station") for name in table.names if name not in counts)
    if not placed and (directed := directed_stations(counts)) is not None:
        return Choice(_turn(table, directed), (), {"a row per": f"column {directed}: {_quote_names(counts)}"})
    return _by_station(table, columns, numbers)


def _check_days_of_month(numbers: Sequence[str]) -> None:
    """Whether columns are not numbered as the days of a month, which no column names.

    Raises:
        SourceError: if they are.
    """
    days = [name for name in numbers if name.isdecimal()]
    if [*map(int, days)] in ([*range(1, last + 1)] for last in (28, 29, 30, 31)):
        raise SourceError(
            f"columns {_quote_names(days)} are numbered as the days of a month, and no name of theirs says of which: "
            "call them by their dates, such as 2024-05-01"
        )


def _holds_numbers(column: Column) -> bool:
    blank = not column.texts
    return blank or (not column.is_date and (column.is_whole or column.is_written_number))


def _readings(numbers: Sequence[str]) -> list[_Reading]:
    """Patterns of times that fit the most columns; several where they differ in which number is the day."""
    if sum(any(sign.isdigit() for sign in name) for name in numbers) < _FEWEST:
        return []
    prefixes = ("", _escape(_prefix(numbers))) if _prefix(numbers) else ("",)
    patterns = [prefix + text for prefix in prefixes for text in _MOMENTS]
    moments = (*_CLOCKS, *_DATES)
    patterns += [side + text for side in _SIDES for text in moments] + [
        text + side for side in (" {direction}", "_{direction}", "-{direction}") for text in moments
    ]
    fits = [_Reading(text, [name for name, _ in fitting_columns(numbers, text)]) for text in patterns]
    sure = [each for each in fits if len(each.columns) >= _FEWEST and _is_sure(each)]
    most = max((len(each.columns) for each in sure), default=0)
    best = sorted((each for each in sure if len(each.columns) == most), key=lambda each: "%Y" not in each.pattern)
    ways = [each for each in best if read_both_ways([best[0].pattern, each.pattern])]
    return [best[0], *ways[:1]] if best else []


def _slot_columns(numbers: Sequence[str]) -> tuple[str, list[str]] | None:
    """Pattern of columns that are numbered as the slots of a day, T1 to T96 or 0 to 47, and those; None without any.

    Those of 24 are hours, as `_readings` finds them.
    """
    named: dict[str, list[int]] = {}
    for name in numbers:
        if digits := re.fullmatch(r"(\D*)(\d{1,3})", name):
            named.setdefault(digits[1], []).append(int(digits[2]))
    found = [prefix for prefix, each in named.items() if _are_slots(each)]
    if len(found) != 1:
        return None
    return _escape(found[0]) + "{slot}", [name for name in numbers if re.fullmatch(rf"{re.escape(found[0])}\d+", name)]


def _are_slots(numbers: Sequence[int]) -> bool:
    clocks = find_number_clocks("", [str(number) for number in numbers])
    return len(numbers) > _HOURS_OF_DAY and len(clocks) == 1 and SLOT.fullmatch(clocks[0]) is not None


def _prefix(numbers: Sequence[str]) -> str:
    """What all names begin with, up to the first digit."""
    first, last = min(numbers), max(numbers)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return re.sub(r"\d+$", "", first[:length])


def _escape(text: str) -> str:
    return text.replace("%", "%%")


def _is_sure(reading: _Reading) -> bool:
    """Whether names can be nothing else than times: bare digits are, where they go up by equal steps of a clock."""
    pattern = reading.pattern
    if "%H%M" in pattern and pattern.endswith("*") and not all(map(_TWO_CLOCKS.search, reading.columns)):
        return False  # 2024-03 is a month
    if "%Y%m%d" in pattern or re.search(r"%[HIdmbY][:./ -]%|%Hh|%p|%M *(-|–|to)", pattern):
        return all(_is_way(name, pattern) for name in reading.columns)
    digits = [re.search(r"\d+", name) for name in reading.columns]
    numbers = [int(found[0]) for found in digits if found]
    minutes = [n // 100 * 60 + n % 100 if "%M" in pattern else n * 60 for n in numbers]
    if "%M" not in pattern and len(minutes) < _FEWEST_HOURS:
        return False
    steps = {(later - first) % 1440 for first, later in pairwise(minutes)}
    return len(steps) == 1 and steps <= {*INTERVALS}


def _is_way(name: str, pattern: str) -> bool:
    """Whether what a name says beside the time is a direction."""
    if "{direction}" not in pattern:
        return True
    ((_, found),) = fitting_columns([name], pattern)
    ways = [text for text in found.groups() if not text[:1].isdigit()]
    return any(
        is_value_of(text, f"{role} value") or hints_at(text, role) for text in ways for role in ("entry", "exit")
    )


def _by_station(table: Table, columns: Mapping[str, Column], numbers: Sequence[str]) -> Choice[Table]:
    """A column per station: where all that is no time is a number, and no name says what is counted."""
    rest = [name for name in table.names if name not in numbers]
    timed = [name for name in rest if columns[name].time_formats or columns[name].is_date or columns[name].is_clock]
    counts = [name for name in numbers if not columns[name].time_formats and not columns[name].is_date]
    counts = [name for name in counts if not columns[name].is_clock and not columns[name].is_row_number]
    roles = ("count", "entry", "exit", "other number", "coordinate", "place", "id")
    grouped = table.shape.get("header_rows", 1) > 1
    free = [name for name in counts if grouped or not any(hints_at(name, role) for role in roles)]
    if len(timed) < len(rest) or not rest:
        return Choice(table)
    if any(hints_at(name, role) for name in counts for role in ("count", "entry", "exit")) and not grouped:
        return Choice(table)
    free = counts if len(counts) >= _FEWEST and not any(_is_station(columns[name]) for name in counts) else free
    if len(free) < _FEWEST or len(free) < len(counts):
        return Choice(table)
    prefix = _prefix(free)
    if hints_at(prefix, "station"):
        pattern = _escape(prefix) + "{station_id}"
        return Choice(_turn(table, pattern), (), {"a row per": f"column {pattern}: {_quote_names(free)}"})
    text = f"Columns {_quote_names(free)} hold numbers, and no column names a station: is each of them a station?"
    options = [("--unpivot '{station_id}'", "yes"), ("--station COLUMN --count COLUMN,COLUMN", "no")]
    if grouped:
        options = [("--unpivot '{station_id} {kind}'", "the last word is what is counted there"), *options]
    return Choice(None, [Question("--unpivot", text, options)])


def _turn_matrix(table: Table, rows: Column, matrix: Matrix) -> Choice[Table]:
    """A matrix of origins and destinations with a row per pair, where its rows say which of both they are."""
    rest = [name for name in table.names if name not in matrix.columns]
    if (end := matrix.columns_end(rows)) is not None:
        notes = {"a row per": f"column, each a station of the {end}: {_quote_names(matrix.columns)}"}
        return Choice(_turn(table, f"{{{end}}}", rest), (), notes)
    text = f"Columns {_quote_names(matrix.columns)} are stations, as in {rows.name!r}: between which did people go?"
    stay = "".join(f" --unpivot-exclude {name!r}" for name in rest)
    ways = [(DESTINATION, "from those in the rows to those in the columns"), (ORIGIN, "the other way round")]
    return Choice(None, [Question("--unpivot", text, [(f"--unpivot '{{{end}}}'{stay}", why) for end, why in ways])])


def with_ends(answers: Answers, table: Table) -> Answers:
    """Answers with both ends of the journeys of a matrix whose columns were turned: its rows are the other end."""
    pattern = table.shape.get("unpivot", {}).get("pattern")
    ends = {f"{{{ORIGIN}}}": ORIGIN, f"{{{DESTINATION}}}": DESTINATION}
    if pattern not in ends or answers.station:
        return answers
    columns = {name: table.profile(name) for name in table.names}
    turned = ends[pattern]
    rows = next(
        (name for name in columns if name != turned and shares_names(columns[name], columns[turned].texts)), None
    )
    if rows is None:
        return answers
    return replace(answers, station=(rows, turned) if turned == DESTINATION else (turned, rows))


def _is_station(column: Column) -> bool:
    """Whether a column may name the station of a row by number."""
    words = len(words_of(column.name))
    return (words == 1 and column.hints_at("station", "place", "id")) or (words == 2 and column.hints_at("id"))


def _turn(table: Table, pattern: str, exclude: Sequence[str] = ()) -> Table:
    """The table with the columns of a pattern as rows.

    Raises:
        SourceError: if it fits none, or they are in no order.
    """
    unpivot = Unpivot(pattern=pattern, value=VALUE, exclude=tuple(exclude))
    named = [name for name in table.names if not unpivot.leaves(name)]
    kept = [name for name in named if "%" not in pattern and _stays(table.profile(name), pattern)]
    samples = []
    for sample in table.samples:
        try:
            rows = unpivot_columns(sample.rows, sample.file.origin, unpivot, kept, MAX_BYTES)
        except FileProblem as problem:
            raise SourceError(str(problem)) from None
        samples.append(replace(sample, rows=rows))
    shape = {**table.shape, "unpivot": unpivot.model_dump(mode="json")}
    return Table(tuple(samples[0].rows.names), samples, shape)


def _stays(column: Column, pattern: str) -> bool:
    """Whether a column stays as it is though a pattern of names alone may fit it: times do.

    Raises:
        SourceError: if it is neither a time nor numbers, so that it would be turned as well.
    """
    timed = bool(column.time_formats or column.is_date or column.is_clock)
    if not timed and not _holds_numbers(column) and fitting_columns([column.name], pattern):
        raise SourceError(
            f"column {column.name!r} has no numbers, and --unpivot {pattern!r} fits it, too: add "
            f"--unpivot-exclude {column.name!r}, or give a pattern that fits the stations alone"
        )
    return timed


def _quote_names(names: Sequence[str]) -> str:
    more = f", ... ({len(names)})" if len(names) > _MOST_SHOWN else ""
    return ", ".join(repr(name[:30]) for name in names[:_MOST_SHOWN]) + more


def _ask_day(found: Sequence[_Reading]) -> Question:
    text = f"Are the columns {_quote_names(found[0].columns)} day/month or month/day?"
    return Question("--unpivot", text, [(f'"{each.pattern}"', "") for each in found])
