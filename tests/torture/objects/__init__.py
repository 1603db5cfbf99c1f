"""Faults of an object store amid ingests, upkeep, publications and promotions."""
