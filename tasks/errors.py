"""Errors that a person can mend. One line each: what, where, what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class NexthourError(Exception):
    """An error that a person can mend: one line that says what, where and what to do."""

    exit_code = 1

    def __init__(self, line: object = "") -> None:
        super().__init__(visible(str(line)))


class ConfigError(NexthourError):
    """The configuration or the command line cannot be used."""

    exit_code = 2


class SourceError(NexthourError):
    """A source, or one of its files, cannot be read at all."""


class StoreError(NexthourError):
    """The data root cannot be read or written."""


class TargetError(NexthourError):
    """A place outside the data root that forecasts are published to does not take one; the next one tries again."""


class HistoryError(NexthourError):
    """There is too little history for what was asked."""


class ModelError(NexthourError):
    """A model, bundle or registry version is missing or unusable."""


def visible(text: str) -> str:
    """Text that stays on its line and does nothing to a terminal: what does not print is spelt out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


@contextmanager
def about(where: str) -> Iterator[None]:
    """Say of a `ConfigError` where it stands."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def nearest_key(key: str, known: tuple[str, ...]) -> str:
    """A hint at the known key that is spelt most alike."""
    from difflib import get_close_matches

    near = get_close_matches(key, known, n=1, cutoff=0.4)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
