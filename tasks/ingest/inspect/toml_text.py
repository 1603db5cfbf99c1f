"""A configuration as commented TOML."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from tasks.errors import visible
from tasks.ingest.inspect.inspection import Inspection

_ORDER = ("interval_minutes", "timezone", "targets", "total")


def toml_text(found: Inspection, paths: Sequence[str], out: Path) -> str:
    """TOML of a network that reads the files, with what was understood as comments.

    Args:
        found: what was understood; without questions.
        paths: as they were given.
        out: where it will lie: relative paths are relative to its folder.
    """
    notes = [visible(f"# {subject}: {text}") for subject, text in found.notes.items()]
    network = [_line(key, found.network[key]) for key in _ORDER if key in found.network]
    lines = [
        "# Written by nexthour init. What was understood of the files:",
        *notes,
        "",
        'data_root = ".nexthour"',
        "",
        "[network]",
        f"name = {_value(out.stem)}",
        *network,
        '# country = "US"                     # ISO 3166 code: its holidays help the forecast',
    ]
    if found.stations:
        lines += ["", "[stations]", *(_line(key, value) for key, value in found.stations.items())]
    for number, path in enumerate(paths, 1):
        name = "feed" if len(paths) == 1 else f"feed{number}"
        lines += ["", "[[sources]]", f"name = {_value(name)}", f"path = {_value(_relative(path, out))}"]
        lines += [_line(key, value) for key, value in found.source.items()]
    return "\n".join(lines) + "\n"


def _line(key: str, value: object) -> str:
    return f"{key} = {_value(value)}"


def _value(value: object) -> str:
    """A value on one line; tables inline."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(str(key))} = {_value(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(each) for each in value) + "]"
    return tomli_w.dumps({"x": value}).strip().removeprefix("x = ")


def _key(name: str) -> str:
    dumped: Any = tomli_w.dumps({name: 0}).strip()
    return str(dumped).removesuffix(" = 0")


def _relative(path: str, out: Path) -> str:
    if "://" in path or Path(path).is_absolute():
        return path
    return os.path.relpath(Path(path).absolute(), out.absolute().parent)
