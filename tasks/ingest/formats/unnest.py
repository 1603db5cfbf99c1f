"""Lists within records of JSON: each of their items becomes a record, with the other fields of its own beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from tasks.ingest.formats.json_records import MISSING, UnequalLists, at
from tasks.ingest.limits import MAX_ITEMS
from tasks.ingest.rejects import FileProblem

SLOT = "slot"
"""Field of the place that a plain item has in its list, from 1, where records have no such field."""


def unnest_records(origin: str, records: Sequence[Any], paths: Sequence[str]) -> list[Any]:
    """Records of which the lists at some paths are unnested; what is no record stays, and is rejected where it stands.

    Lists at paths of one level belong together, item by item. A path below another one is of its items. An item that
    is a list itself has its values by their place, `readings.0` and `readings.1`.

    Raises:
        FileProblem: if there are too many items.
    """
    made = list[Any]()
    for record in records:
        try:
            items = list(islice(_items(record, paths), MAX_ITEMS + 1)) if isinstance(record, dict) else [record]
        except _Unequal:
            items = [UnequalLists(record)]
        made += items
        if len(made) > MAX_ITEMS:
            raise FileProblem("too_large", f"{origin} has more than {MAX_ITEMS:,} items in its lists: split it")
    return made


class _Unequal(Exception):
    """Lists that belong together have different lengths, or one is no list."""


def _items(record: dict[str, Any], paths: Sequence[str]) -> Iterator[dict[str, Any]]:
    first = [path for path in paths if not any(path.startswith(f"{other}.") for other in paths)]
    lists = {path: _list_at(record, path) for path in first}
    lengths = {len(values) for values in lists.values()}
    if len(lengths) > 1:
        raise _Unequal
    deeper = [path for path in paths if path not in first]
    for place in range(max(lengths, default=0)):
        items = {path: _by_place(values[place]) for path, values in lists.items()}
        plain = not any(isinstance(item, dict) for item in items.values())
        row: dict[str, Any] = {SLOT: place + 1, **record} if plain else record
        for path, item in items.items():
            row = _with_item(row, path.split("."), item)
        yield from _items(row, deeper) if deeper else (row,)


def _list_at(record: Mapping[str, Any], path: str) -> list[Any]:
    found = at(record, path)
    if found is not None and found is not MISSING and not isinstance(found, list):
        raise _Unequal
    return found if isinstance(found, list) else []


def _by_place(item: Any) -> Any:
    return {str(place): value for place, value in enumerate(item)} if isinstance(item, list) else item


def _with_item(record: Mapping[str, Any], steps: Sequence[str], item: Any) -> dict[str, Any]:
    """A record with an item in the place of the list that it has there."""
    whole = ".".join(steps)
    if len(steps) == 1 or whole in record:
        return {**record, whole: item}
    return {**record, steps[0]: _with_item(record[steps[0]], steps[1:], item)}
