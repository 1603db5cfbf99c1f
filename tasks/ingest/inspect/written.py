"""How counts are written: marks of thousands, decimal marks, words for what was not counted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.ingest.inspect.answers import Answers, Choice, Question
from tasks.ingest.inspect.profile import Column

_GROUPED = re.compile(r"[+-]?\d{1,3}(?P<mark>[ ,.'’\u00a0\u202f])\d{3}((?P=mark)\d{3})*(?P<rest>[.,]\d*)?")
_LAKHS = re.compile(r"[+-]?[1-9]\d?(,\d{2})+,\d{3}")
_FRACTION = re.compile(r"[+-]?\d+(?P<mark>[.,])(?P<fraction>\d+)")
_PLAIN = re.compile(r"[+-]?\d+(e[+-]?\d+)?", re.IGNORECASE)
_UNCOUNTED = frozenset(
    (
        *("-", "--", "---", "–", "—", ".", "..", "...", "…", "*", "**", "***", "x", "n/a", "na", "n.a.", "#n/a", "n/d"),
        *("nd", "n.d.", "null", "none", "nan", "(null)", "s/d", "k.a.", "k. a.", "no data", "missing", "keine daten"),
        *("sin datos", "sin dato", "inconnu", "unknown", "suppressed", "withheld", "redacted", "secret", "s", "c", "?"),
        *("\\n", "n/v", "not counted", "not available", "nicht verfügbar"),
    )
)
_FEW = re.compile(
    r"([<≤]\s*\d+|(less than|fewer than|moins de|weniger als|menos de|meno di|under)\s+\d+)", re.IGNORECASE
)
_NINES = re.compile(r"9{3,}")
_BELOW_ZERO = re.compile(r"-(1|9+)(\.0+)?")
_SHOWN = 4


def choose_writing(columns: Sequence[Column], answers: Answers) -> Choice[dict[str, Any]]:
    """Keys `thousands`, `decimal` and `missing` that read counts; none where they are plain.

    Averages and other numbers that are not whole get none: they are no people, and rejected when they are read.

    Args:
        columns: of counts.
        answers: what the user stated.
    """
    many: dict[str, int] = {}
    for column in columns:
        for text, times in column.frequencies:
            many[text] = many.get(text, 0) + times
    keys, questions = _marks(list(many)) if not (answers.thousands or answers.decimal) else ({}, [])
    words = [text for text in many if not any(form.fullmatch(text) for form in (_GROUPED, _LAKHS, _FRACTION, _PLAIN))]
    uncounted = [text for text in words if text.lower() in _UNCOUNTED or _FEW.fullmatch(text)]
    words += [*_nines(many), *(() if answers.negatives else _negatives(many))]
    strange = [text for text in words if text not in uncounted and text not in answers.missing]
    keys |= {"missing": sorted(uncounted)} if uncounted else {}
    questions += [_ask_words(strange, many)] if strange else []
    keys |= _number_keys(answers, uncounted)
    notes = {key: " ".join(value) if isinstance(value, list) else value for key, value in keys.items()}
    return Choice(keys, questions, {f"counts: {key}": text for key, text in notes.items()})


def _nines(many: Mapping[str, int]) -> list[str]:
    """Numbers of nines alone, far above all others and there more than once: 9999 where nothing was counted."""
    others = [int(text) for text in many if text.isdecimal() and not _NINES.fullmatch(text)]
    most = max(others, default=0)
    return [text for text, times in many.items() if _NINES.fullmatch(text) and times > 1 and int(text) > 10 * most]


def _negatives(many: Mapping[str, int]) -> list[str]:
    """-1 or -99 where that alone is below zero, and there more than once: nothing was counted."""
    below = [text for text in many if text.startswith("-") and text.strip("-")]
    return [text for text in below if len(below) == 1 and many[text] > 1 and _BELOW_ZERO.fullmatch(text)]


def _number_keys(answers: Answers, uncounted: Sequence[str]) -> dict[str, Any]:
    """Keys that were answered; words that are known to count nothing stay among the missing ones."""
    missing = sorted({*answers.missing, *uncounted}) if answers.missing else ()
    written = {"thousands": answers.thousands, "decimal": answers.decimal, "missing": missing}
    return {key: list(value) for key, value in written.items() if value}


def _marks(texts: Sequence[str]) -> tuple[dict[str, Any], list[Question]]:
    """Keys of the marks that numbers have, and what to ask where one can be read both ways."""
    grouped = [(text, found) for text in texts if (found := _GROUPED.fullmatch(text))]
    fractions = [found for text in texts if not _GROUPED.fullmatch(text) and (found := _FRACTION.fullmatch(text))]
    whole = all(not found["fraction"].strip("0") for found in fractions)
    if not whole:
        return {}, []
    lakhs = any(map(_LAKHS.fullmatch, texts))
    thousands, decimal, questions = [","] * lakhs, list[str](), list[Question]()
    for mark in dict.fromkeys(found["mark"] for _, found in grouped if not (lakhs and found["mark"] == ",")):
        shown = [text for text, found in grouped if found["mark"] == mark]
        sure = mark not in ",." or any(text.count(mark) > 1 for text in shown) or _parts_thousands(texts, shown, mark)
        if not sure and mark == "." and all(text.endswith(".000") for text in shown):
            continue  # three zeros behind every number, as of a column of decimals
        if not sure:
            questions.append(_ask_mark(mark, shown))
        plain = {"’": "'"}.get(mark, mark)
        thousands += [" " if plain.isspace() else plain]
    for found in fractions:
        decimal += [found["mark"]] if found["mark"] == "," or found["mark"] in thousands else []
    for text, found in grouped:
        decimal += [found["rest"][0]] if found["rest"] and found["rest"][0] == "," and text else []
    keys: dict[str, Any] = {"thousands": sorted({*thousands})} if thousands else {}
    if decimal:
        keys["decimal"] = sorted({*decimal, *([] if "." in thousands else _points(fractions))})
    return {key: value[0] if len(value) == 1 else value for key, value in keys.items()}, questions


def _points(fractions: Sequence[re.Match[str]]) -> list[str]:
    return ["."] if any(found["mark"] == "." for found in fractions) else []


def _parts_thousands(texts: Sequence[str], grouped: Sequence[str], mark: str) -> bool:
    """Whether a mark parts thousands: numbers below a thousand have none, and none above lacks it or begins with 0."""
    below = [text for text in texts if re.fullmatch(r"\d{1,3}", text)]
    above = [text for text in texts if re.fullmatch(r"\d{4,}", text)]
    return bool(below) and not above and not any(text.startswith("0") for text in grouped)


def _ask_mark(mark: str, shown: Sequence[str]) -> Question:
    text = f"Does {mark!r} part thousands in {', '.join(shown[:_SHOWN])}?"
    first = shown[0]
    ways = ((f"--thousands '{mark}'", first.replace(mark, "")), (f"--decimal '{mark}'", first.replace(mark, ".")))
    return Question("--thousands or --decimal", text, ways)


def _ask_words(words: Sequence[str], many: Mapping[str, int]) -> Question:
    shown = [(f"--missing {word[:30]!r}", f"{many[word]:,} rows") for word in words[:_SHOWN]]
    return Question("--missing", "Do these words stand for counts that are not known?", shown)
