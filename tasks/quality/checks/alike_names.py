"""Stations whose ids differ in case, blanks or accents alone: most likely one station, written two ways."""

from __future__ import annotations

import unicodedata

from tasks.quality.context import Seen
from tasks.quality.results import Finding, Verdict, count_phrase


def check(seen: Seen) -> Verdict:
    """One finding per station that another one is written like."""
    alike: dict[str, list[str]] = {}
    for name in sorted(seen.stations):
        alike.setdefault(_plain(name), []).append(name)
    findings = [
        Finding("station", other, float(len(names)), 1.0, _sentence(other, names[0]))
        for names in alike.values()
        for other in names[1:]
    ]
    return Verdict(findings, f"{count_phrase(len(seen.stations), 'station')}, no two of them written alike")


def _plain(name: str) -> str:
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return " ".join(plain.casefold().split())


def _sentence(other: str, name: str) -> str:
    return (
        f"station {other!r} is written like {name!r}: if they are one, say so with "
        f'[stations] aliases = {{ "{other}" = "{name}" }}'
    )
