"""Formats of the tables and bundles of a data root, so that a program never misreads what a later one wrote."""

from __future__ import annotations

from tasks.errors import StoreError
from tasks.storage.store import Store

FORMAT = 1
"""Raised when an earlier program would misread what this one writes. Older formats stay readable."""
BUNDLE_FORMAT = 1
"""The same of bundles, which state theirs in `bundle.json`."""
PATH = "format.json"


def check_format(store: Store) -> int:
    """Whether this program can read the tables of a data root; returns their format.

    A data root without the file is of format 1.

    Raises:
        StoreError: if a later program wrote them.
    """
    found = store.read_json(PATH)
    stated = 1 if found is None else found.get("format") if isinstance(found, dict) else None
    if not isinstance(stated, int):
        raise StoreError(f"{store.url(PATH)} states no format: restore it from a copy of the data root")
    if stated > FORMAT:
        raise StoreError(
            f"data root {store.url()} has tables of format {stated}, and this nexthour reads up to {FORMAT}: install "
            "the version that wrote them or a later one, or restore the copy from before the upgrade"
        )
    return stated


def state_format(store: Store) -> None:
    """State the format of what is written from here on."""
    if store.read_json(PATH) != {"format": FORMAT}:
        store.write_json(PATH, {"format": FORMAT})
