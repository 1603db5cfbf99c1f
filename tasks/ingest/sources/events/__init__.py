"""Sources of events: one row per tap or trip."""

from tasks.ingest.sources.events import source

__all__ = ["source"]
