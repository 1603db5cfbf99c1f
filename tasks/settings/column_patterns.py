"""Patterns of paths and of column names: strptime's codes, {names}, and * for anything."""

from __future__ import annotations

import re
from functools import lru_cache

from tasks.errors import ConfigError

CODES = {
    "%Y": r"\d{4}",
    "%y": r"\d{2}",
    "%m": r"\d{1,2}",
    "%d": r"\d{1,2}",
    "%j": r"\d{3}",
    "%b": r"[A-Za-z]{3}",
    "%B": r"[A-Za-z]{3,9}",
    "%H": r"\d{1,2}",
    "%I": r"\d{1,2}",
    "%M": r"\d{2}",
    "%S": r"\d{2}",
    "%p": r"[AaPp]\.?[Mm]\.?",
}
_PART = re.compile(r"%.|\{[^{}]*\}|\*|[^%{*]+|.", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_]\w{0,63}")


@lru_cache(maxsize=1024)
def pattern_regex(pattern: str, anything: str = ".") -> tuple[str, dict[str, str], dict[str, str]]:
    """A regular expression of a pattern; names and codes by the group that holds them.

    Of a text that can be parted in several ways {station_id} takes the most, any other name the least.

    Raises:
        ConfigError: if a code or a name is none, or is there twice.
    """
    text, names, codes = "", dict[str, str](), dict[str, str]()
    for part in _PART.findall(pattern):
        group = f"g{len(names) + len(codes)}"
        if part in CODES:
            codes[group] = part
            text += f"(?P<{group}>{CODES[part]})"
        elif part.startswith("%") and part != "%%":
            raise ConfigError(f"{part!r} is no code that is read: {' '.join(CODES)}")
        elif part.startswith("{"):
            if not _NAME.fullmatch(part[1:-1]):
                raise ConfigError(f"{part!r} is no name of a column: write {{line}}")
            names[group] = part[1:-1]
            most = "" if part == "{station_id}" else "?"  # names of stations have several words
            text += f"(?P<{group}>{anything}+{most})"
        else:
            text += f"{anything}*?" if part == "*" else re.escape("%" if part == "%%" else part)
    for held in (names, codes):
        if len(set(held.values())) < len(held):
            raise ConfigError(f"{pattern!r} has a name or code twice")
    return text, names, codes


def path_regex(pattern: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """As `pattern_regex`, for the end of a path, from the start of a name on.

    Raises:
        ConfigError: if it has neither a code nor a name.
    """
    text, names, codes = pattern_regex(pattern, anything="[^/]")
    if not names and not codes:
        raise ConfigError(f"{pattern!r} says nothing: give codes such as %Y%m%d, or a {{name}}")
    return f"(?:^|/){text}$", names, codes


def is_date(codes: dict[str, str]) -> bool:
    """Whether codes make a date: year, month and day."""
    has = set(codes.values())
    return bool(has & {"%Y", "%y"}) and ("%j" in has or ("%d" in has and bool(has & {"%m", "%b", "%B"})))
