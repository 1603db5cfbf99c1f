"""Tables and queries of a database."""

from tasks.ingest.sources.sql import source

__all__ = ["source"]
