"""Columns of fixed width, or parted by any number of blanks, as columns parted by tabs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

_RULE = re.compile(r"[-=\u2500]+(?:[ \t]+[-=\u2500]+)*\s*")
_WIDE = ("W", "F")


@dataclass(frozen=True)
class Rule:
    """Where each column stands, as a line of dashes under the header shows: first and last place of each."""

    spans: Sequence[tuple[int, int]]

    def fields(self, line: str) -> list[str] | None:
        """Values of a line; None where no one reading fits.

        Wide characters count for one place or for two, as the program that wrote the file has it. A reading fits if
        the places between two columns are blank and no value has two blanks in a row; where both fit, both must say
        the same. Where none fits the rule was drawn for other places: blanks part the values, if they are as many.
        """
        found = [fields for measure in (_places, _wide_places) if (fields := self._cut(line, measure)) is not None]
        if not found:
            parted = line.split()
            return parted if len(parted) == len(self.spans) else None
        return found[0] if all(fields == found[0] for fields in found) else None

    def _cut(self, line: str, measure: Callable[[str], list[int]]) -> list[str] | None:
        """Values by one way to count places; None where text stands between two columns, or beyond the last."""
        places = measure(line)
        fields = [""] * len(self.spans)
        column, before = 0, " "
        for character, place in zip(line, places, strict=True):
            while column < len(self.spans) - 1 and place >= self.spans[column + 1][0]:
                column += 1
                if not before.isspace():
                    return None
            before = character
            first, end = self.spans[column]
            if first <= place < end or character.isspace():
                fields[column] += character
            elif column < len(self.spans) - 1:
                return None
            else:
                fields[column] += character
        values = [field.strip() for field in fields]
        return None if any("  " in value for value in values) else values


def rule_of(line: str) -> Rule | None:
    """The rule that a line is, None if it is none."""
    if not _RULE.fullmatch(line):
        return None
    return Rule([match.span() for match in re.finditer(r"\S+", line)])


def blanks_to_tabs(content: bytes, rule: Rule | None, above: int) -> bytes:
    """Rows with a tab between two values, line by line, so that each keeps its number; `above` are lines of no row.

    A row that does not fit the rule stays as it is, and so has too few fields.
    """
    lines = content.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(_tab_lines(lines, rule, above)).encode()


def _tab_lines(lines: Sequence[str], rule: Rule | None, above: int) -> Iterator[str]:
    for number, line in enumerate(lines):
        fields = line.split() if rule is None or number < above else rule.fields(line)
        if fields is None or not any(fields):
            yield " ".join(line.split())
        else:
            yield "\t".join(field.replace("\t", " ") for field in fields)


def _places(line: str) -> list[int]:
    return list(range(len(line)))


def _wide_places(line: str) -> list[int]:
    places, here = [], 0
    for character in line:
        places.append(here)
        here += 2 if unicodedata.east_asian_width(character) in _WIDE else 1
    return places
