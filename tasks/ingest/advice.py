"""What to change about a source of which most was rejected: from the commonest reason and values that have it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from tasks.ingest.reasons import explain
from tasks.ingest.rejects import Sample
from tasks.ingest.rows.suggest_formats import read_both_ways, suggest_formats

SHOWN = 40
HARMLESS = ("duplicate_event", "in_future")
"""Reasons for which a row does not count as lost: it landed before, or lands later."""
CONSEQUENCES = ("part_rejected",)
"""Reasons that follow from that of another row, which is the one to tell."""
_EPOCHS = {10: "epoch", 13: "epoch_ms", 16: "epoch_us", 19: "epoch_ns"}
_CLOCK = r"\d{1,2}(:\d{2}){1,2}( ?[ap]\.?m\.?)?"
_GROUPED = r"[+-]?\d{1,3}(?P<mark>[ '.,\u00a0\u202f\u2019])\d{3}((?P=mark)\d{3})*"


def advise(reason: str, sample: Sample | None) -> str:
    """What to change, in one sentence that shows a value; without one, in general."""
    if sample is None or not sample.values:
        return explain(reason).remedy
    shown = f"column {sample.column!r} has {_cut(sample.values[0])!r}"
    match reason:
        case "bad_time":
            return f"{shown}: {_advise_time(sample.values)}"
        case "not_a_number" | "not_whole":
            return f"{shown}: {_advise_number(sample.values)}"
    return f"{shown}: {explain(reason).remedy}"


def _advise_time(values: Sequence[str]) -> str:
    formats = suggest_formats(values)
    if read_both_ways(formats):
        shown = ", ".join(f'"{text}" if the {_first_number(text)} comes first' for text in formats)
        return f"write time_format = {shown}: no value tells which"
    if formats:
        return f'write time_format = "{formats[0]}"'
    if all(re.fullmatch(r"\d{4}-\d{2}-\d{2}", value) for value in values):
        return "that is a date without an hour among times with one: export midnight as 00:00"
    lengths = {len(value) if value.isdigit() else 0 for value in values}
    if len(lengths) == 1 and (name := _EPOCHS.get(lengths.pop())):
        return f'write time_format = "{name}"'
    if all(re.fullmatch(r"(13|6[2-5])\d{16}", value) for value in values):
        return 'write time_format = "filetime" for numbers of Windows (13…), "ticks" for those of .NET (63…)'
    if all(re.fullmatch(r"[34]\d{4}\.\d+", value) for value in values):
        return 'write time_format = "excel": these are days of a spreadsheet'
    if all(re.fullmatch(r".*\d \d{1,6}(\.0+)?", value) for value in values):
        return (
            'write time_format = "%Y-%m-%d %H%M" where the last number 915 is 09:15, or minute_of_day or second_of_day '
            "in place of %H%M where it counts from midnight; the start of the format as the date is written"
        )
    if all(re.fullmatch(_CLOCK, value, re.IGNORECASE) for value in values):
        return 'that is an hour without a date: name the columns of both, minute = ["DATE", "TIME"]'
    return explain("bad_time").remedy


def _first_number(text: str) -> str:
    """What the first number of a format is."""
    return {"d": "day", "m": "month"}.get(text[1:2], "year")


def _advise_number(values: Sequence[str]) -> str:
    grouped = [found for value in values if (found := re.fullmatch(_GROUPED, value))]
    decimal = [v for v in values if re.fullmatch(r"[+-]?\d+,\d+", v) and not re.fullmatch(_GROUPED, v)]
    marks = sorted({" " if found["mark"].isspace() else found["mark"].replace("\u2019", "'") for found in grouped})
    if marks:
        listed = _quote(marks[0]) if len(marks) == 1 else f"[{', '.join(map(_quote, marks))}]"
        doubt = " if it parts thousands" if {",", "."} & {*marks} else ""
        rest = f', and decimal = "," for {_cut(decimal[0])!r}' if decimal else ""
        return f"write thousands = {listed}{doubt}{rest}, or export whole numbers without it"
    if decimal:
        return 'write decimal = "," if the comma is a decimal mark'
    words = [value for value in values if not re.fullmatch(r"[+-]?\d[\d\s.,'\u2019]*", value)]
    if words:
        return f"where it stands for not counted, write missing = [{', '.join(_quote(_cut(w)) for w in words[:5])}]"
    return explain("not_a_number").remedy


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def find_problem(
    landed: int,
    rows: int,
    reasons: Mapping[str, int],
    remedies: Mapping[str, str],
    waits: bool,
    allowed: Collection[str],
) -> str | None:
    """What is wrong with an ingest of which nothing landed, or most was rejected, and what to change; else None.

    Args:
        landed: rows that landed.
        rows: rows of the input, each counted once.
        reasons: how many were rejected, by code.
        remedies: what to change, by code.
        waits: whether all that lie in the future are over within an interval.
        allowed: further codes that are no loss for this source.
    """
    counted = {code: count for code, count in reasons.items() if code not in HARMLESS and code not in allowed}
    if not landed and reasons.get("in_future") and not waits:
        counted["in_future"] = reasons["in_future"]
    lost = sum(counted.values())
    if not lost or (landed and 2 * lost <= rows):
        return None
    worst = max(counted, key=lambda code: (code not in CONSEQUENCES, counted[code], code))
    how = f"{counted[worst]:,} {worst}" if counted[worst] < rows else worst
    what = f"nothing of {rows:,} rows landed" if not landed else f"{lost:,} of {rows:,} rows were rejected"
    return f"{what} ({how}): {remedies.get(worst) or explain(worst).remedy}"
