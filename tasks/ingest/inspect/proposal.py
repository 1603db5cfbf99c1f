"""What was understood of a table: keys of its source, and what must be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.ingest.inspect.answers import Question


@dataclass(frozen=True)
class Proposal:
    """What was understood of one table.

    Attributes:
        source: keys of its `[[sources]]` table, without name and path.
        network: keys of `[network]`.
        stations: keys of `[stations]`.
        questions: without whose answers the keys are not whole.
        notes: what was understood, by subject.
    """

    source: Mapping[str, Any] = field(default_factory=dict)
    network: Mapping[str, Any] = field(default_factory=dict)
    questions: Sequence[Question] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    stations: Mapping[str, Any] = field(default_factory=dict)
