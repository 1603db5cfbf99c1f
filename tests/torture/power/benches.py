"""Benches whose settings are made once: that takes longer than an ingest of theirs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from support.ingest_bench import Bench

from tasks.settings.tree import Settings


@contextmanager
def settings_made_once() -> Iterator[None]:
    """Keep the settings of equal benches while the block lasts."""
    make = Bench.settings.fget  # type: ignore[attr-defined]
    known: dict[str, Settings] = {}

    def settings(bench: Bench) -> Settings:
        key = repr(bench)
        if key not in known:
            known[key] = make(bench)
        return known[key]

    with patch.object(Bench, "settings", property(settings)):
        yield
