"""Rows of input: parse times and values, check them, reject what is wrong with a code."""
