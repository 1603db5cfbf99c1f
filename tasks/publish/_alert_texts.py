"""What an alert says, in the languages that riders read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tasks.settings.targets import Language


class AlertTexts(NamedTuple):
    """Header and description of an alert in one language."""

    header: str
    description: str


class _Words(NamedTuple):
    """Format strings of a language; `targets` names what is counted, where it is not called so itself."""

    header: str
    description: str
    usual: str
    targets: Mapping[str, str]


_WORDS: dict[Language, _Words] = {
    "en": _Words(
        "{station}: many people expected",
        "From {start} to {end} about {counts} are expected.",
        " ({percent} % of usual)",
        {},
    ),
    "de": _Words(
        "{station}: hoher Andrang erwartet",
        "Von {start} bis {end} Uhr werden etwa {counts} erwartet.",
        " ({percent} % des Üblichen)",
        {"entries": "Zugänge", "exits": "Abgänge"},
    ),
    "es": _Words(
        "{station}: se espera mucha afluencia",
        "De {start} a {end} se esperan unas {counts}.",
        " ({percent} % de lo habitual)",
        {"entries": "entradas", "exits": "salidas"},
    ),
    "fr": _Words(
        "{station} : forte affluence attendue",
        "De {start} à {end}, environ {counts} sont attendues.",
        " ({percent} % de l'habituel)",
        {"entries": "entrées", "exits": "sorties"},
    ),
}


def alert_texts(language: Language, rows: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> AlertTexts:
    """Texts of the alert of one station.

    Args:
        language: of the texts.
        rows: of `tables.STATION_LEVELS`, of one station, a target each.
        summary: of the issue.
    """
    words = _WORDS[language]
    station = rows[0]["name"] or rows[0]["station_id"]
    start, end = (str(summary[key])[11:16] for key in ("origin_local", "end_local"))
    counts = ", ".join(_count(words, row) for row in rows)
    return AlertTexts(
        words.header.format(station=station), words.description.format(start=start, end=end, counts=counts)
    )


def _count(words: _Words, row: Mapping[str, Any]) -> str:
    target = words.targets.get(row["target"], row["target"])
    text = f"{row['hour']:.0f} {target}"
    if row["percent_of_usual"] is None:
        return text
    return text + words.usual.format(percent=f"{row['percent_of_usual']:.0f}")
