"""What a sequence of ingests of counts must come to: plain dicts, one statement after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

Pair = tuple[int | None, int | None]
Cell = tuple[str, datetime, str]
INTERVAL = timedelta(minutes=1)


@dataclass(frozen=True)
class Row:
    """A row of a file; `said` is when it says that it was known, None where it does not say."""

    cell: Cell
    counts: Pair
    said: datetime | None = None


@dataclass
class SlowCounts:
    """Statements of each (station, minute, part) in the order in which they came: when known, and what they say."""

    statements: dict[Cell, list[tuple[datetime, Pair]]] = field(default_factory=dict)

    def ingest(self, rows: list[Row], now: datetime, backfill: bool) -> None:
        """Take what a file says that is new or has changed; of equal keys the last row counts."""
        for row in {(row.cell, row.said): row for row in rows}.values():
            if row.said is None:
                self._take(row, now, backfill)
            else:
                self._take_told(row, max(row.said, row.cell[1] + INTERVAL))

    def _take(self, row: Row, now: datetime, backfill: bool) -> None:
        held = self.statements.setdefault(row.cell, [])
        known = row.cell[1] + INTERVAL if backfill else now
        if held and not _changes(_last(held), row.counts):
            if known < min(at for at, _ in held):
                held.append((known, row.counts))
            return
        last = max((at for at, _ in held), default=known)
        held.append((known, row.counts))  # history counts as known when it happened, a correction of it too
        if known < last:  # and it stands over what was known later
            held.append((max(now, last), row.counts))

    def _take_told(self, row: Row, known: datetime) -> None:
        held = self.statements.setdefault(row.cell, [])
        same = [statement for statement in held if statement[0] == known]
        if not same or _changes(_last(same), row.counts):
            held.append((known, row.counts))

    def minutes(self, as_of: datetime) -> dict[tuple[str, datetime], Pair]:
        """The minute table as it was known."""
        out: dict[tuple[str, datetime], Pair] = {}
        for (station, minute, _), held in self.statements.items():
            known = [statement for statement in held if statement[0] <= as_of]
            if known and minute < as_of:
                before = out.get((station, minute), (None, None))
                out[station, minute] = tuple(map(_sum, before, _last(known)))  # type: ignore[assignment]
        return out


def _last(statements: list[tuple[datetime, Pair]]) -> Pair:
    """What stands after some statements: by when they were known, then by when they came; None says nothing."""
    now: list[int | None] = [None, None]
    for _, counts in sorted(statements, key=lambda statement: statement[0]):
        now = [old if new is None else new for old, new in zip(now, counts, strict=True)]
    return now[0], now[1]


def _changes(standing: Pair, counts: Pair) -> bool:
    return any(new is not None and new != old for old, new in zip(standing, counts, strict=True))


def _sum(first: int | None, second: int | None) -> int | None:
    return first if second is None else second if first is None else first + second
