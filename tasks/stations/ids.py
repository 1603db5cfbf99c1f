"""Station ids in one form, however a tool wrote them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

_WHOLE, _FRACTION = re.compile(r"^(-?(?:0|[1-9]\d{0,18}))\.0+$"), re.compile(r"^(-?(?:0|[1-9]\d{0,18})\.\d*[1-9])0+$")


def plain_id(text: str) -> str:
    """An id that is a number, without zeros at the end of its fraction: 72.0 is 72; other text as it is."""
    return _WHOLE.sub(r"\1", _FRACTION.sub(r"\1", text)) if "." in text else text


def is_excluded(station_id: str, patterns: Iterable[str]) -> bool:
    """Whether an id of the network is one of some ids, or fits one of some patterns with * and ?."""
    return any(station_id == pattern or fnmatchcase(station_id, pattern) for pattern in patterns)


class IdMap:
    """Ids of sources as ids of the network.

    Args:
        aliases: id of a source, as it is written or in its plain form -> id of the network. An alias to itself keeps
            an id as it is written.
    """

    def __init__(self, aliases: Mapping[str, str]) -> None:
        self.aliases = aliases
        self._known = {plain_id(name): station for name, station in aliases.items() if name != station} | {**aliases}

    def network_id(self, text: str) -> str:
        """The id of the network that a trimmed id of a source stands for."""
        plain = plain_id(text)
        return self._known.get(text, self._known.get(plain, plain))
