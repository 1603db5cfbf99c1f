"""Presets: what is known of a published kind of data, as the keys of its source."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tasks.errors import ConfigError, nearest_key

_WHOLE = frozenset({"where", "constants"})
"""Tables that a source replaces as a whole: conditions of two origins would have to hold together."""


@dataclass(frozen=True)
class Preset:
    """One published kind of data.

    Attributes:
        name: such as "tides/station_activities".
        title: what it is, in a line.
        source: keys of its `[[sources]]` table.
        network: keys that `[network]` needs for it, such as targets and interval.
    """

    name: str
    title: str
    source: Mapping[str, Any]
    network: Mapping[str, Any]


@cache
def presets() -> Mapping[str, Preset]:
    """Every preset by its name, sorted. Each is one TOML file of this folder."""
    folder = Path(__file__).parent
    return {(found := _read(path, folder)).name: found for path in sorted(folder.rglob("*.toml"))}


def _read(path: Path, folder: Path) -> Preset:
    held = tomllib.loads(path.read_text(encoding="utf-8"))
    title, network = held.pop("title"), held.pop("network", {})
    return Preset(path.relative_to(folder).with_suffix("").as_posix(), title, held, network)


def find_preset(name: object) -> Preset:
    """The preset of that name.

    Raises:
        ConfigError: if there is none; names the nearest.
    """
    if not isinstance(name, str) or name not in presets():
        raise ConfigError(f"preset {name!r} is unknown{nearest_key(str(name), tuple(presets()))}")
    return presets()[name]


def fill_preset(source: Mapping[str, Any], targets: Sequence[str]) -> Mapping[str, Any]:
    """A `[[sources]]` table with the keys of its preset, over which its own go, key by key.

    What a preset says of targets that the network does not have is left out.

    Args:
        source: the table; as it is where it names no preset.
        targets: of the network.

    Raises:
        ConfigError: if there is no such preset.
    """
    if "preset" not in source:
        return source
    filled = dict(find_preset(source["preset"]).source)
    for key, known in (("columns", (*targets, *_KEYS)), ("events", targets)):
        if key in filled:
            filled[key] = {name: value for name, value in filled[key].items() if name in known} or filled[key]
    return _merge(filled, {key: value for key, value in source.items() if key != "preset"})


_KEYS = ("station_id", "minute", "minute_utc", "part", "available_at")


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(base.get(key), Mapping) and key not in _WHOLE
        merged[key] = _merge(base[key], value) if both else value
    return merged
