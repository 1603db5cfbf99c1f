"""What `nexthour init` understood of files, as a document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flows.reports.document import Alert, Block, Document, Example, Table

if TYPE_CHECKING:
    from tasks.ingest.steps import Inspection


def inspection_document(found: Inspection) -> Document:
    """Table of what was understood, of what lands, and the questions that are open."""
    looked = f", {found.looked_at:,} of them looked at" if found.looked_at < found.files else ""
    blocks: list[Block] = [Table(("subject", "understood"), list(found.notes.items()), left=2)] if found.notes else []
    blocks += [Alert("ASK", question.line()) for question in found.questions]
    return Document(f"{found.files:,} files{looked}", [*blocks, *_landing(found)])


def _landing(found: Inspection) -> Sequence[Block]:
    made = found.promise
    if made is None:
        return []
    people = ", ".join(f"{many:,} {target}" for target, many in made.people.items())
    blocks: list[Block] = [
        f"lands: {made.rows:,} rows, {people}, at {len(made.stations):,} stations, {made.first} to {made.last} UTC",
        Table(
            ("minute (UTC)", "station", *made.people),
            [(str(minute), station, *counts) for minute, station, counts in made.minutes],
            left=2,
            title="First minutes in which somebody is counted",
        ),
    ]
    if made.rejected:
        why = ", ".join(f"{reason} {many:,}" for reason, many in made.reasons.items())
        blocks.append(Alert("REJECTED", f"{made.rejected:,} rows: {why}"))
        blocks += [Example(f"{reason}: {text}") for reason, text in made.examples]
    return blocks
