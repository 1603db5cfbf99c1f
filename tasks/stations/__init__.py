"""Stations: one id across files, and the table of their names and places."""
