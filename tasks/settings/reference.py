"""The page docs/settings.md, made of the settings: `python -m tasks.settings.reference > docs/settings.md`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from inspect import get_annotations
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tasks.settings.channels import ChannelSettings
from tasks.settings.columns import TargetColumn
from tasks.settings.section import Section
from tasks.settings.shapes import FileShape
from tasks.settings.sources import SourceSettings
from tasks.settings.sources.files import EventColumns, FileSource
from tasks.settings.sources.http import HttpRequests
from tasks.settings.sources.rows import BaseSource, CountColumns, RowSource
from tasks.settings.tree import Settings

_HEAD = """# Settings

Every key of `nexthour.toml`, with what it may be and its default. `python -m tasks.settings.reference` writes this page
from the settings themselves. The environment wins over the file: `NEXTHOUR_` and the key, nested with `__`, such as
`NEXTHOUR_NETWORK__TIMEZONE`; lists and tables are written there as JSON. An unknown key is an error that names the
nearest one. A value `"env:NAME"` stands for the environment variable NAME, which holds a secret.
"""
_SHARED = (BaseSource, RowSource, CountColumns, FileShape, FileSource, HttpRequests)
_KINDS: tuple[type[BaseSource], ...] = get_args(get_args(SourceSettings)[0])
_BOUNDS = (
    ("minimum", "from {}"),
    ("exclusiveMinimum", "above {}"),
    ("maximum", "to {}"),
    ("exclusiveMaximum", "below {}"),
)


def page() -> str:
    """The whole page, Markdown."""
    return "\n".join([_HEAD, *_tables()]).rstrip() + "\n"


def _tables() -> Iterator[str]:
    plain = {name: field for name, field in Settings.model_fields.items() if _section(field) is None}
    alone = {name: field for name, field in plain.items() if name not in ("sources", "channels")}
    yield from _table("Top level", "", Settings, alone)
    for name, field in Settings.model_fields.items():
        if (section := _section(field)) is not None:
            yield from _section_tables(name, section)
    for shared in _SHARED:
        kinds = ", ".join(f"`{kind.model_fields['kind'].default}`" for kind in _KINDS if issubclass(kind, shared))
        yield from _table(f"[[sources]]: {_title(shared)}", f"Of the kinds {kinds}.", shared, _own(shared))
    for kind in _KINDS:
        yield from _table(f'[[sources]] kind = "{kind.model_fields["kind"].default}"', _title(kind), kind, _own(kind))
    yield from _table("columns: a target with a filter", _title(TargetColumn), TargetColumn, TargetColumn.model_fields)
    yield from _table("events: a target", _title(EventColumns), EventColumns, EventColumns.model_fields)
    yield from _table("[[channels]]", _title(ChannelSettings), ChannelSettings, ChannelSettings.model_fields)


def _section_tables(name: str, section: type[Section]) -> Iterator[str]:
    inner = {key: held for key, field in section.model_fields.items() if (held := _section(field)) is not None}
    fields = {key: field for key, field in section.model_fields.items() if key not in inner}
    yield from _table(f"[{name}]", _title(section), section, fields)
    for key, held in inner.items():
        yield from _section_tables(f"{name}.{key}", held)


def _table(title: str, about: str, model: type[BaseModel], fields: dict[str, FieldInfo]) -> Iterator[str]:
    schema = model.model_json_schema()
    shown = {name: schema["properties"][name] for name, field in fields.items() if not field.exclude}
    if not shown:
        return
    yield f"## {title}\n"
    if about:
        yield f"{about}\n"
    yield "| key | value | default | |\n|---|---|---|---|"
    for name, stated in shown.items():
        value = _value(stated, schema.get("$defs", {}))
        default = "required" if fields[name].is_required() else _default(fields[name])
        yield f"| `{name}` | {value} | {default} | {_cell(fields[name].description or '')} |"
    yield ""


def _section(field: FieldInfo) -> type[Section] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _own(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Fields that a class adds to those of the classes that it extends, `kind` aside."""
    own = get_annotations(model)
    return {name: field for name, field in model.model_fields.items() if name in own and name != "kind"}


def _title(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


def _value(stated: dict[str, Any], known: dict[str, Any]) -> str:
    """What a key may be, in words, from its JSON Schema."""
    if "$ref" in stated:
        return _value(known[stated["$ref"].rsplit("/", 1)[1]], known)
    if "anyOf" in stated:
        texts = [_value(each, known) for each in stated["anyOf"] if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(texts))
    if "const" in stated or "enum" in stated:
        return ", ".join(f"`{json.dumps(each)}`" for each in stated.get("enum", [stated.get("const")]))
    bounds = " ".join(text.format(_number(stated[key])) for key, text in _BOUNDS if key in stated)
    match stated.get("type"):
        case "integer":
            return f"whole number {bounds}".strip()
        case "number":
            return f"number {bounds}".strip()
        case "boolean":
            return "`true`, `false`"
        case "array":
            items: dict[str, Any] = stated.get("items") or next(iter(stated.get("prefixItems", [])), {})
            return f"list of {_value(items, known)}"
        case "object":
            return "table"
    return "text"


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is None or value in ((), {}, ""):
        return ""
    return f"`{json.dumps(value)}`" if isinstance(value, str | int | float | tuple) else ""


def _number(value: float) -> str:
    return f"{value:,.10g}".replace(",", "_")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.stdout.write(page())
