"""Reports of overrides."""

from __future__ import annotations

from collections.abc import Sequence

from flows.reports.document import Document, Row, Table
from tasks.overrides.entry import Override
from tasks.overrides.report import OverrideResult
from tasks.stations.table import StationTable

COLUMNS = (
    *("id", "what", "why", "who", "from (UTC)", "to (UTC)", "state"),
    *("factor", "hours", "error", "without it", "helped"),
)


def overrides_document(results: Sequence[OverrideResult], stations: StationTable) -> Document:
    """The ledger of overrides, newest first, and whether each helped."""
    scored = [result for result in results if result.helped is not None]
    helped = sum(bool(result.helped) for result in scored)
    title = f"Overrides: {len(results)}, {helped} of {len(scored)} that are scored helped"
    rows = [_row(result, stations) for result in results]
    note = "Errors are people per hour, means over the hours that an override changed."
    return Document(title, [Table(COLUMNS, rows, left=7), note] if rows else ["The ledger is empty."])


def name_scope(override: Override, stations: StationTable) -> str:
    """What an override is about, for people: a station with its name or a line, and the target."""
    what = override.scope if override.scope.startswith("line ") else stations.label(override.scope)
    return what if override.target is None else f"{override.target} at {what}"


def _row(result: OverrideResult, stations: StationTable) -> Row:
    override = result.override
    times = (override.to_json()[name][:16].replace("T", " ") for name in ("start", "end"))
    state = result.state if result.removed_by is None else f"{result.state} by {result.removed_by}"
    helped = {None: "", True: "yes", False: "no"}[result.helped]
    facts = (override.override_id, name_scope(override, stations), override.why, override.who, *times, state)
    return (*facts, override.factor, result.hours, result.error, result.error_without, helped)
