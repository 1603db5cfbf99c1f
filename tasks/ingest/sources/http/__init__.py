"""Feeds of counts over HTTP."""

from tasks.ingest.sources.http import source

__all__ = ["source"]
