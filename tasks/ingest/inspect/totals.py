"""Stations that are totals of others: left out where their name says so, asked about where it may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tasks.arrays import Int
from tasks.ingest.inspect.answers import Answers, Choice, Question
from tasks.ingest.inspect.filters import Filter
from tasks.ingest.inspect.grid import find_total
from tasks.ingest.inspect.places import Where
from tasks.ingest.inspect.profile import Column
from tasks.ingest.inspect.words import is_value_of, words_of

NONE = "none"
_LAST = frozenset({"total", "totals", "subtotal", "totale", "totaal"})
_FIRST = _LAST | {"sum", "summe", "gesamt", "gesamtsumme", "zwischensumme", "suma", "somme", "soma"}
_SHOWN = 4
_FEWEST_PARTS = 3


def choose_excluded(
    stations: Column, counted: npt.NDArray[np.bool_], sums: Mapping[int, Sequence[int]], answers: Answers
) -> Choice[list[str]]:
    """Ids of stations that are to be left out, since their rows are sums of others and count everybody twice.

    Args:
        stations: of each row.
        counted: rows with a time.
        sums: codes of stations whose counts are the sums of others, and of those.
        answers: what the user stated.
    """
    if answers.exclude:
        excluded = [] if answers.exclude == (NONE,) else [*answers.exclude]
        return Choice(excluded, (), {"stations left out": ", ".join(excluded)} if excluded else {})
    used = [stations.texts[code] for code in np.unique(stations.codes[counted & (stations.codes >= 0)])]
    sure = [name for name in used if is_total(name)]
    if len(used) < 2 or len(sure) == len(used):
        return Choice([])
    questions = [_ask(name) for name in used if name not in sure and words_of(name)[:1] and words_of(name)[0] in _FIRST]
    named = {stations.texts[whole]: [stations.texts[part] for part in parts] for whole, parts in sums.items()}
    if unsaid := {name: parts for name, parts in named.items() if name not in sure}:
        questions = [_ask_sums(unsaid)]
    notes = {"stations left out": f"totals: {', '.join(sure[:_SHOWN])}{', ...' if len(sure) > _SHOWN else ''}"}
    return Choice(sure, questions[:1], notes if sure else {})


def find_totals(columns: Mapping[str, Column], where: Where) -> dict[str, list[str]]:
    """Names of totals by the column of origins or destinations that has them beside stations: sums of other rows."""
    if where.end is None:
        return {}
    named = {name: [text for text in columns[name].texts if is_total(text)] for name in (where.start, where.end)}
    return {name: texts for name, texts in named.items() if texts and len(texts) < len(columns[name].texts)}


def with_totals(rules: Filter, totals: Mapping[str, Sequence[str]]) -> Filter:
    """A filter that leaves out rows of totals, too."""
    if not totals:
        return rules
    return {**rules, "where_not": {**rules.get("where_not", {}), **{name: [*texts] for name, texts in totals.items()}}}


def ask_sums(ends: tuple[Column, Column], seconds: Int, count: Column) -> list[Question]:
    """What to ask of a value of origins or destinations whose rows are sums of the others.

    Args:
        ends: columns of both.
        seconds: since 1970, of each row.
        count: column of people.
    """
    for one, other in (ends, ends[::-1]):
        if len(one.texts) < _FEWEST_PARTS:
            continue  # one alone is like the other by chance
        total = find_total(np.stack([seconds, other.codes]), one, [count.numbers])
        if total and not is_total(total):
            return [_ask_total(one.name, total)]
    return []


def _ask_total(column: str, total: str) -> Question:
    text = f"Rows of {column} {total!r} are in every interval the sum of the others: are they to be left out?"
    ways = (f"--where-not '{column}={total}'", "they would count everybody twice"), ("--rows sum", "it is a station")
    return Question("--where-not or --rows", text, ways)


def is_total(name: str) -> bool:
    """Whether a name is that of a total."""
    words = words_of(name)
    return is_value_of(name, "total value") or (len(words) > 1 and words[-1] in _LAST)


def _ask_sums(sums: Mapping[str, Sequence[str]]) -> Question:
    """Asked where the counts of stations are those of others together."""
    (name, parts), *_ = sums.items()
    shown = ", ".join(part[:40] for part in parts[:_SHOWN]) + (", ..." if len(parts) > _SHOWN else "")
    every = " ".join(f"--exclude '{each}'" for each in sums)
    more = f" (and {len(sums) - 1:,} more are sums)" if len(sums) > 1 else ""
    text = f"Station {name[:60]!r} is in every interval the sum of {shown}{more}: is it to be left out?"
    ways = ((every, "it would count everybody twice"), (f"--exclude {NONE}", "it is a station of its own"))
    return Question("--exclude", text, ways)


def _ask(name: str) -> Question:
    word = name.split()[0] if name.split()[0] != name else name[: len(words_of(name)[0])]
    every = (f"--exclude '{word}*'", "they are sums of other stations, and would count everybody twice")
    text = f"Station {name[:60]!r} may be a total of others: is it to be left out?"
    return Question("--exclude", text, [every, (f"--exclude {NONE}", "it is a station")])
