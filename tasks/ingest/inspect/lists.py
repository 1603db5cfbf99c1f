"""Lists within records: which of them have a row per item, and what is asked where that may not be so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from tasks.ingest.formats.binary_kinds import PARQUET
from tasks.ingest.formats.json_file import is_lines, json_lines
from tasks.ingest.formats.json_records import MISSING, at, read_json
from tasks.ingest.formats.parquet_file import first_records
from tasks.ingest.inspect.answers import Question
from tasks.ingest.inspect.words import hints_at
from tasks.ingest.rejects import FileProblem

_LOOKED_AT = 500
"""Records of which the lists are looked at."""
_DEEPEST, _FAR_LONGER = 4, 5
_FEWEST = 3
"""Items of a list of plain values from which it may be one of counts, and no pair of coordinates."""
_COUNTED = ("count", "entry", "exit")
Records = Sequence[Mapping[str, Any]]


def nested_keys(content: bytes, keys: Mapping[str, Any]) -> tuple[dict[str, Any], Question | None]:
    """Keys of the layout of JSON or Parquet: where the records are, and which of their lists are unnested; a question.

    Args:
        content: of the file.
        keys: of the layout that were answered.
    """
    known = dict(keys)
    if "unnest" in known:
        return {key: value for key, value in known.items() if key != "unnest" or value}, None
    try:
        document = None if content.startswith(PARQUET) else _read_document(content)
        records = first_records(content, _LOOKED_AT) if document is None else []
    except (FileProblem, pa.ArrowException, OSError):
        return known, None  # stated when it is read
    if isinstance(document, dict) and "records" not in known:
        if split := _split_table(document):
            return split | known, None
        known |= _records(document)
    path = known.get("records", "")
    found = at(document, path) if document is not None else records
    if isinstance(found, dict) and _arrays(found, ""):
        return known, None  # of which one is an array of records
    if isinstance(found, dict):
        lists, question = _choose([found], "")
    elif isinstance(document, dict) and "records" not in keys and _is_named_outside(document, path, found):
        lists, question = _choose([document], "")
        known.pop("records")
    else:
        found = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
        lists, question = _choose(found[:_LOOKED_AT], "")
    return known | ({"unnest": lists} if lists else {}), question


def _read_document(content: bytes) -> object:
    content = content.removeprefix(b"\xef\xbb\xbf")
    return json_lines(content) if is_lines(content) else read_json("", content)


def _split_table(document: dict[str, Any]) -> dict[str, Any]:
    """Keys of an array of rows without names that stands beside an array of their names; none without both."""
    found = [(path, values) for path, values in _fields(document, "") if isinstance(values, list) and values]
    rows = [(path, values) for path, values in found if all(isinstance(row, list) for row in values[:_LOOKED_AT])]
    if len(rows) != 1:
        return {}
    width = {len(row) for row in rows[0][1]}
    for path, values in found:
        names = [value.get("name") if isinstance(value, dict) else value for value in values]
        texts = all(isinstance(name, str) and name for name in names)
        if path != rows[0][0] and texts and width == {len(names)} and len({*names}) == len(names):
            return {"records": rows[0][0], "header": names}
    return {}


def _records(document: dict[str, Any]) -> dict[str, str]:
    """Key of the array of objects in a JSON object, or of the one that is far longer than the others; else none."""
    longest = sorted(_arrays(document, ""), key=lambda each: -each[1])
    sure = len(longest) == 1 or (len(longest) > 1 and longest[0][1] >= _FAR_LONGER * longest[1][1])
    return {"records": longest[0][0]} if sure else {}


def _arrays(document: dict[str, Any], path: str, depth: int = _DEEPEST) -> list[tuple[str, int]]:
    """Dotted paths of arrays of objects, and their lengths."""
    found = list[tuple[str, int]]()
    for name, value in document.items():
        below = f"{path}.{name}" if path else name
        if isinstance(value, dict) and depth:
            found += _arrays(value, below, depth - 1)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            found.append((below, len(value)))
    return found


def _is_named_outside(document: Any, path: str, found: Any) -> bool:
    """Whether the station stands beside an array, and not in its items."""
    items = [each for each in found[:1] if isinstance(each, dict)] if isinstance(found, list) else []
    inside = any(hints_at(name, "station") for item in items for name in item)
    outside = [name for name, value in document.items() if hints_at(name, "station") and isinstance(value, str | int)]
    return bool(items) and not inside and bool(outside) and "." not in path


def _choose(records: Records, above: str) -> tuple[list[str], Question | None]:
    """Lists of which each item is a row, of records at a path above them."""
    names = dict.fromkeys(name for record in records for name, value in _fields(record, "") if isinstance(value, list))
    lists = {name: [_list_at(record, name) for record in records] for name in names}
    lists = {name: values for name, values in lists.items() if any(values)}
    of_records = {
        name: values
        for name, values in lists.items()
        if any(isinstance(each[0], dict | list) for each in values if each)
    }
    for name, values in of_records.items():
        items = [item for each in values for item in each if isinstance(item, dict)][:_LOOKED_AT]
        deeper, question = _choose(items, f"{above}{name}.")
        pairs = any(isinstance(item, list) for each in values for item in each)
        is_clear = deeper or pairs or any(_tells(field) for item in items[:5] for field, _ in _fields(item, ""))
        if is_clear and len(of_records) == 1:
            return [f"{above}{name}", *deeper], question
    plain = {name: values for name, values in lists.items() if name not in of_records}
    groups: dict[tuple[int, ...], list[str]] = {}
    for name, values in plain.items():
        groups.setdefault(_lengths_like(tuple(map(len, values)), groups), []).append(name)
    long = {lengths: group for lengths, group in groups.items() if max(lengths) >= _FEWEST}
    sure = [group for group in long.values() if any(_tells(name) for name in group)]
    if len(sure) == 1 and not of_records:
        return [above + name for name in sure[0]], None
    may = [*([name] for name in of_records), *(group for group in long.values() if _has_numbers(plain, group))]
    return [], _ask([[above + name for name in group] for group in may]) if may else None


def _lengths_like(lengths: tuple[int, ...], known: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    """Lengths that are known already and the same in most records, of which a few may be damaged; else these."""
    for other in known:
        if 2 * sum(a == b for a, b in zip(lengths, other, strict=True)) > len(lengths):
            return other
    return lengths


def _tells(name: str) -> bool:
    """Whether a name is that of a time or of counts."""
    return any(hints_at(name, role) for role in ("time", "hour", *_COUNTED))


def _has_numbers(lists: Mapping[str, list[list[Any]]], group: Sequence[str]) -> bool:
    return any(isinstance(item, int | float) for name in group for each in lists[name] for item in each[:1])


def _fields(record: Mapping[str, Any], before: str, deeper: int = _DEEPEST) -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        if isinstance(value, dict) and deeper:
            yield from _fields(value, f"{before}{name}.", deeper - 1)
        else:
            yield f"{before}{name}", value


def _list_at(record: Mapping[str, Any], name: str) -> list[Any]:
    found = at(record, name)
    return found if found is not MISSING and isinstance(found, list) else []


def _ask(groups: Sequence[Sequence[str]]) -> Question:
    shown = [(f"--unnest {','.join(group)}", "each item is a row") for group in groups]
    text = (
        f"Records hold lists ({', '.join(name for group in groups for name in group)}): is each of their items a row?"
    )
    return Question("--unnest", text, [*shown, ("--unnest none", "each record is one row")])
