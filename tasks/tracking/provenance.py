"""Provenance of a run: settings without secrets, the commit, a fingerprint of the data."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tasks.arrays import HORIZON_MINUTES, Minutes
from tasks.channels import Channel, fingerprint
from tasks.grid import Grid
from tasks.settings.tree import Settings

SECRET = re.compile(r"pass(word|wd)?$|secret|token|credential|api_?key|authorization|headers$", re.IGNORECASE)
USER_INFO = re.compile(r"(?<=://)[^/@\s]*@")
QUERY_PASSWORD = re.compile(r"(?<=[?&])((?:ssl)?password|passwd|pwd)=[^&\s]*", re.IGNORECASE)


def data_fingerprint(grid: Grid, extra: Sequence[Channel] = ()) -> str:
    """Sixteen hexadecimal digits that change whenever a count, a station, the span or a row of a channel does."""
    counts = repr((grid.stations, grid.targets, str(grid.start), grid.interval, grid.values.shape, grid.digest))
    return hashlib.sha256((counts + fingerprint(extra)).encode()).hexdigest()[:16]


def span_fingerprint(grid: Grid, origins: Minutes) -> str:
    """Fingerprint of the counts from the first origin to the end of the hour after the last one."""
    first, last = (int(i) for i in grid.index(origins[[0, -1]]))
    counts = grid.values[:, :, first : last + HORIZON_MINUTES // grid.interval]
    return data_fingerprint(replace(grid, values=counts, start=origins[0]))


def redact(text: str) -> str:
    """Text with user names and passwords of URLs masked."""
    return QUERY_PASSWORD.sub(r"\1=***", USER_INFO.sub("***@", text))


def settings_tree(settings: Settings) -> dict[str, Any]:
    """The settings as JSON-able values, secrets masked."""

    def clean(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: clean(inner, str(name)) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [clean(inner, key) for inner in value]
        if value is not None and SECRET.search(key):
            return "***"
        return redact(value) if isinstance(value, str) else value

    cleaned: dict[str, Any] = clean(settings.model_dump(mode="json"))
    return cleaned


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Leaves of a tree by dotted name; lists of plain values are one leaf."""
    flat: dict[str, str] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            value = {str(i): item for i, item in enumerate(value)}
        if isinstance(value, dict):
            flat.update(flatten(value, f"{name}."))
        elif value is not None:
            flat[name] = json.dumps(value) if isinstance(value, list) else str(value)
    return flat


def git_commit(folder: Path) -> str | None:
    """Commit that a working tree stands on, None outside one."""
    git = next((p / ".git" for p in (folder, *folder.parents) if (p / ".git").is_dir()), None)
    if git is None:
        return None
    try:
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        if (git / name).is_file():
            return (git / name).read_text().strip()
        packed = (git / "packed-refs").read_text().splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), None)
    except OSError:
        return None
