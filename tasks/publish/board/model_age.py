"""How old the model is that answered, by its bundle on disk."""

from __future__ import annotations

from tasks.errors import StoreError
from tasks.storage.store import Store

CHAMPION = "bundles/champion.json"


def trained_until(store: Store, version: str) -> str | None:
    """UTC moment up to which the champion was trained, as its bundle states it; None of any other model."""
    try:
        champion = store.read_json(CHAMPION)
        if not isinstance(champion, dict) or champion.get("version") != version:
            return None
        head = store.read_json(f"{champion['folder']}/bundle.json")
        return str(head["meta"]["as_of"])
    except (StoreError, KeyError, TypeError):
        return None
