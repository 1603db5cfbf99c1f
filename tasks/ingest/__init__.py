"""Ingest: from what sources say to observations, and from those to the minute table."""
