"""The built-in city as a source."""

from tasks.ingest.sources.simulate import source

__all__ = ["source"]
