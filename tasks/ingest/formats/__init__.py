"""Formats of input: CSV, JSON and Parquet, decoded into columns."""
