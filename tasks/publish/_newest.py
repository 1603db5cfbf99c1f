"""Files of the newest forecast: replaced whole, and never by an older forecast."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from tasks.errors import StoreError
from tasks.storage.store import Store

log = logging.getLogger(__name__)

Moment = tuple[str, str]
"""First minute of a forecast and when it was issued, both UTC texts: later forecasts compare as greater."""


def moment_of(summary: Mapping[str, Any]) -> Moment:
    """The moment of an issue."""
    return str(summary["origin_utc"]), str(summary["issued_at"])


def holds_later(published: Moment, summary: Mapping[str, Any]) -> bool:
    """Whether a target holds a later forecast than this issue; not where a clock that ran ahead made it."""
    until = summary.get("trusted_until")
    return published > moment_of(summary) and (until is None or published[0] <= until)


def state_path(target: str) -> str:
    """The file below the data root that says what a target published last."""
    return f"publications/state/{target}.json"


def published_moment(store: Store, target: str) -> Moment:
    """Of the newest forecast that a target published; blanks where there is none, or none that can be read."""
    try:
        return moment_of(store.read_json(state_path(target)))
    except (StoreError, KeyError, TypeError):
        return "", ""


def replace_newest(store: Store, target: str, files: Mapping[str, bytes], summary: Mapping[str, Any]) -> str:
    """Replace files whole, unless the target published a later forecast; returns the first one's path or URL.

    Args:
        store: the data root.
        target: name of the target.
        files: path below the data root -> content.
        summary: of the issue that they show.

    Raises:
        StoreError: if one cannot be written.
    """
    first = next(iter(files))
    with store.lock(f"publish-{target}"):
        published = published_moment(store, target)
        if holds_later(published, summary):
            kept = f"{store.url(first)} stays as it is: it holds a later forecast, of {published[0]}"
            log.warning("%s", kept)
            return kept
        # Before the files: a run that ends between the two leaves nothing behind that an older forecast could replace.
        store.write_json(state_path(target), _state(summary))
        for path, content in files.items():
            store.write_bytes(path, content)
    return store.url(first)


def remember(store: Store, target: str, summary: Mapping[str, Any]) -> None:
    """Remember an issue as the newest that a target published, unless it holds a later one.

    Raises:
        StoreError: if the data root cannot be written.
    """
    if not holds_later(published_moment(store, target), summary):
        store.write_json(state_path(target), _state(summary))


def _state(summary: Mapping[str, Any]) -> dict[str, str]:
    return dict(zip(("origin_utc", "issued_at"), moment_of(summary), strict=True))
