"""Errors that a person can mend. One line each: what, where, what to do."""

from __future__ import annotations


class NexthourError(Exception):
    """An error that a person can mend: one line that says what, where and what to do."""

    exit_code = 1


class ConfigError(NexthourError):
    """The configuration or the command line cannot be used."""

    exit_code = 2


class SourceError(NexthourError):
    """A source, or one of its files, cannot be read at all."""


class StoreError(NexthourError):
    """The data root cannot be read or written."""


class HistoryError(NexthourError):
    """There is too little history for what was asked."""


class ModelError(NexthourError):
    """A model, bundle or registry version is missing or unusable."""
