"""Levels: the next hour beside what is usual, in words, and the day around it."""
