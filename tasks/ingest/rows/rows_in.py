"""Rows that are to be read, wherever they come from, and the words about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.ingest.formats.decode import Columns, column_list
from tasks.ingest.rejects import KEPT, FileProblem, Rejects
from tasks.ingest.rows.rejections import Rejections
from tasks.settings.sources import RowSource
from tasks.settings.tree import Network


@dataclass(frozen=True)
class InputColumns:
    """Rows of one file, reply or query, and what it takes to judge them."""

    config: RowSource
    network: Network
    origin: str
    rows: Columns

    @property
    def timezone(self) -> str:
        """Of times without an offset."""
        return self.config.timezone or self.network.timezone

    def require(self, name: str, toml: str) -> str:
        """A column that must be there, once.

        Raises:
            FileProblem: if it is not; `toml` is the line that would name it.
        """
        count = list(self.rows.names).count(name)
        if count == 1:
            return name
        what = f"no column {name!r}" if not count else f"{count} columns {name!r}"
        raise FileProblem(
            "missing_column",
            f"{self.origin} has {what} (it has {column_list(self.rows.names)}): "
            f"write {toml} in the [[sources]] table of {self.config.name!r}",
        )

    def rejects(self, rejections: Sequence[Rejections], columns: list[str]) -> Rejects:
        """Refused rows by line, a row as often as it was refused; and lines that were no rows."""
        name, origin = self.config.name, self.origin
        torn = self.rows.malformed()
        refused = Rejects.of(name, origin, torn.lines, torn.reasons, torn.texts, torn.beyond)
        for each in rejections:
            if len(rows := each.rejected):
                kept, beyond = rows[:KEPT], each.counts(rows[KEPT:])
                lines, texts = self.rows.lines(kept), self.rows.texts(kept, columns)
                refused = refused.joined(Rejects.of(name, origin, lines, each.reasons(kept), texts, beyond))
        return refused
