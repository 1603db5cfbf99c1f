"""Ingests that are disturbed in every way that we could think of, and what was lost or doubled by it."""
