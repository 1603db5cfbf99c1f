"""Scores: matured forecasts against the truth, and replays of the past."""
