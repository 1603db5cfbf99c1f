"""Why rows and files are rejected: each code, what it means, and what to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """A code, explained.

    Attributes:
        meaning: what is wrong.
        remedy: what to do, an imperative without a full stop.
    """

    meaning: str
    remedy: str


ROW_REASONS = {
    "missing_station": Reason(
        "no station is named", "name the column that holds it: station_id; rows that have none stay out"
    ),
    "bad_time": Reason(
        "the time cannot be read, or is blank", 'give its strptime format: time_format = "%d/%m/%Y %H:%M"'
    ),
    "nonexistent_local_time": Reason(
        "the clocks went over this local time in spring", "correct timezone, or export times with their offset"
    ),
    "off_grid": Reason(
        "the time lies between two intervals",
        'let interval_minutes divide the times, or add finer readings up: rows = "sum"',
    ),
    "in_future": Reason(
        "the interval is not over yet", "nothing: it lands once it is over; where it is over already, correct timezone"
    ),
    "missing_count": Reason(
        "no target has a count", "name the columns of the targets; rows that count nothing stay out"
    ),
    "not_a_number": Reason(
        "a count is no number", 'say how numbers are written: thousands = ",", decimal = ",", missing = ["N/A"]'
    ),
    "negative": Reason("a count is below zero", 'correct it; where it stands for not counted, missing = ["-1"]'),
    "absurd": Reason("a count is above maximum", "raise maximum if it is right; correct it otherwise"),
    "not_whole": Reason(
        "a count is not whole", 'export whole people; where the comma parts thousands, thousands = ","'
    ),
    "duplicate_row": Reason(
        "the row equals an earlier one of its file",
        'nothing; where both count, rows = "sum" (counts), or an id (events)',
    ),
    "superseded_in_file": Reason(
        "a later row of the file counts the same station and interval",
        'nothing where it corrects this one; where rows are parts that add up, rows = "sum"',
    ),
    "duplicate_event": Reason("the event was counted before, by its id", "nothing; correct id if it names no event"),
    "unfinished": Reason("the trip has not ended: neither time nor station", "nothing; it lands when it has ended"),
    "wrong_number_of_fields": Reason(
        "the line has more or fewer fields than the header", "repair the line, or set delimiter, skip_rows, skip_footer"
    ),
    "not_a_record": Reason("the item of the JSON is no object", "point records at the array of objects"),
    "not_utf8": Reason("the text is not UTF-8", 'export it as UTF-8, or set its encoding: encoding = "latin-1"'),
    "unsafe_name": Reason(
        "the name begins as a formula, holds invisible characters or a secret, is dots alone, or is too long",
        "rename it in the export",
    ),
    "name_of_total": Reason("the station is called as the total of the network", "give [network] total another name"),
    "ambiguous_station": Reason(
        "two ids of the column are the same number, such as 1.1 and 1.10",
        'say which they are: [stations] aliases = { "1.10" = "1.1" }, or = "1.10" where they are two stations',
    ),
    "repeated_local_time": Reason(
        "the clocks showed this local time twice in autumn, and rows of it add up",
        "export times with their offset, or in UTC (minute_utc)",
    ),
    "part_rejected": Reason(
        "another row of the same sum was rejected, so that the sum is not known",
        "repair that row; this one lands with it",
    ),
    "negative_sum": Reason(
        "the rows of an interval, those that take people back among them, add up to less than nobody",
        "send the rows that they correct in the same file",
    ),
    "unequal_lists": Reason(
        "lists of the record that belong together differ in length, or one is no list",
        "send the record whole, or name lists that belong together in unnest",
    ),
}
"""Codes of rows."""

FILE_REASONS = {
    "unreadable_file": Reason("the file cannot be read, ends early or is damaged", "send it again"),
    "empty_file": Reason("the file has nothing in it", "nothing; it is read when it has something"),
    "not_utf8": Reason("the text is not UTF-8", 'export it as UTF-8, or set its encoding: encoding = "latin-1"'),
    "missing_column": Reason(
        "a column that is read is not there, or is there twice", "name it in columns, as the line says"
    ),
    "dates_without_hours": Reason(
        "the column of times holds dates alone", 'name the column of the hour, too: minute = ["DATE", "TIME"]'
    ),
    "same_rows": Reason(
        "two targets would count the very same rows", 'tell them apart: where = { direction = ["in"] } for each'
    ),
    "several_rows": Reason(
        "most intervals of stations have several rows with different counts",
        'rows = "sum" adds them up, rows = "last" takes the last one, where = {...} chooses some',
    ),
    "cumulative": Reason(
        "a column of counts only grows: it is the reading of a counter",
        'cumulative = true takes the differences, device = ["..."] names the columns that tell counters apart',
    ),
    "coarser_than_grid": Reason(
        "rows of a station are further apart than interval_minutes",
        "choose an interval as long as theirs; gaps = true where nothing was observed between them",
    ),
    "off_grid": Reason(
        "no interval has a reading of a counter at its start and one at its end",
        "choose interval_minutes that the readings are at, or export readings at full intervals",
    ),
    "wrong_type": Reason(
        "a column has a type that cannot be read", "export it as text, numbers or timestamps; lists: unnest"
    ),
    "unequal_lists": Reason(
        "lists of a row that belong together differ in length", "name lists that belong together in unnest"
    ),
    "line_too_long": Reason("a line is longer than any row", "check the delimiter and the quotes of the export"),
    "too_many_columns": Reason("the file has more columns than any table", "check the delimiter of the export"),
    "same_file": Reason(
        "the file is the same as another one that counts already, and files of its source add up",
        "remove one of both, or say by path_pattern what tells them apart",
    ),
    "too_large": Reason("the file, stored or unpacked, is larger than max_bytes", "raise max_bytes, or split the file"),
    "span_too_long": Reason("the file covers too long a span", "correct times far from the others, or split the file"),
    "bad_reply": Reason("the server answered with something else than the feed", "check url, records and next"),
}
"""Codes of whole files."""

BLANK_REASONS = {
    "counter_reset": Reason(
        "the reading of a counter fell, or leapt by more than maximum, within the interval",
        "nothing where it was reset; counter_limit where it rolled over, counter_direction where it counts down",
    ),
    "reading_gap": Reason(
        "a counter was not read at the start or at the end of the interval", "nothing; a later reading is never spread"
    ),
}
"""Codes of intervals of counters that are not known; no row is rejected for them."""


def explain(code: str) -> Reason:
    """Meaning and remedy of a code, of rows or of files; a source that is added may have codes of its own."""
    own = Reason(f"The source says {code}.", "see the documentation of the source")
    return ROW_REASONS.get(code) or FILE_REASONS.get(code) or BLANK_REASONS.get(code) or own
