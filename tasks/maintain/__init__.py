"""Upkeep of the tables."""
