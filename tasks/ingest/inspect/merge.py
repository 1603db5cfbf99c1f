"""Tables whose columns are called differently, as one source: names become alternatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.errors import SourceError
from tasks.ingest.inspect.answers import Question
from tasks.ingest.inspect.proposal import Proposal
from tasks.ingest.inspect.samples import Table
from tasks.ingest.rows.suggest_formats import read_both_ways
from tasks.time_formats import ISO

_TIMES = ("minute", "time")
_WRITTEN = frozenset({"time_format", "thousands", "decimal", "missing"})
"""Keys that say how values are written, of which a source takes several."""


def merge(tables: Sequence[Table], proposals: Sequence[Proposal]) -> Proposal:
    """One proposal for all tables, the largest first; its table of what was understood is that of the largest.

    Raises:
        SourceError: if they are of different kinds, so that no one source reads them.
    """
    questions = {question.line(): question for each in proposals for question in each.questions}
    first = proposals[0]
    if questions or len(proposals) == 1:
        return Proposal(first.source, first.network, list(questions.values()), first.notes, _stations(proposals))
    formats = _formats(proposals)
    if read_both_ways(formats):
        text = "Some files write day/month and some month/day: give those of one way, and init the others apart"
        return Proposal(questions=[Question("PATH", text, [(f, "") for f in formats])], notes=first.notes)
    merged, network = dict(first.source), dict(first.network)
    for table, other in zip(tables[1:], proposals[1:], strict=True):
        network = {**other.network, **network}
        if network != {**network, **other.network} or {*other.source} - _WRITTEN != {*merged} - _WRITTEN:
            raise _apart(tables[0], table)
        for key, value in other.source.items():
            if key in ("columns", "events"):
                merged[key] = _alternatives(merged[key], value)
            elif key in _WRITTEN and key != "time_format":
                merged[key] = _either(key, merged.get(key), value)
            elif key != "time_format" and merged[key] != value:
                raise _apart(tables[0], table)
    merged.pop("time_format", None)
    if formats != [ISO]:
        merged["time_format"] = formats[0] if len(formats) == 1 else formats
    return Proposal(merged, network, (), first.notes, _stations(proposals))


def _stations(proposals: Sequence[Proposal]) -> dict[str, Any]:
    """Keys of `[stations]`: what any of the tables leaves out or writes otherwise."""
    excluded = dict.fromkeys(name for each in proposals for name in each.stations.get("exclude", ()))
    aliases = {alias: name for each in proposals for alias, name in each.stations.get("aliases", {}).items()}
    return ({"exclude": [*excluded]} if excluded else {}) | ({"aliases": aliases} if aliases else {})


def _formats(proposals: Sequence[Proposal]) -> list[str]:
    found = [proposal.source.get("time_format", ISO) for proposal in proposals]
    every = [text for each in found for text in (each if isinstance(each, list) else [each])]
    return list(dict.fromkeys(every))


def _alternatives(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Columns with those of the other table behind them."""
    return {key: _either(key, one.get(key), other.get(key)) for key in dict.fromkeys([*one, *other])}


def _either(key: str, one: Any, other: Any) -> Any:
    if one is None or other is None or one == other:
        return other if one is None else one
    if isinstance(one, Mapping) and isinstance(other, Mapping) and key not in ("where", "where_not"):
        return _alternatives(one, other)
    if key in _TIMES:
        return [*_groups(one), *(group for group in _groups(other) if group not in _groups(one))]
    return [*_as_list(one), *(name for name in _as_list(other) if name not in _as_list(one))]


def _groups(times: Any) -> list[list[str]]:
    if isinstance(times, str):
        return [[times]]
    return [times] if all(isinstance(name, str) for name in times) else list(times)


def _as_list(names: Any) -> list[Any]:
    return names if isinstance(names, list) else [names]


def _apart(one: Table, other: Table) -> SourceError:
    shown = [f"{t.samples[0].file.origin} has {', '.join(t.names[:8])}" for t in (one, other)]
    return SourceError(f"the files are of different kinds ({'; '.join(shown)}): init each kind by itself")
