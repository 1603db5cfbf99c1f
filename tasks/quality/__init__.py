"""Data-quality checks, run after each ingest."""
