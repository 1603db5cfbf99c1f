"""Answers in the format that a client asks for, with an entity tag; unchanged ones cost a 304."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from fastapi import HTTPException, Request, Response
from pydantic_core import to_json

from flows.api.latest import Body, tag_of
from tasks.storage.parquet import encode_table
from tasks.tables.csv_text import csv_bytes

DECIMALS = 3


class Format(StrEnum):
    """Formats of answers."""

    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


MEDIA = {
    Format.JSON: "application/json",
    Format.CSV: "text/csv",
    Format.PARQUET: "application/vnd.apache.parquet",
}
_ANY = {"*/*": Format.JSON, "application/*": Format.JSON, "text/*": Format.CSV}
_BY_MEDIA = {**{media: format for format, media in MEDIA.items()}, **_ANY}


def choose_format(request: Request, wanted: Format | None) -> Format:
    """The format of the query, else the first known one of the Accept header, else JSON.

    Raises:
        HTTPException: 406, if no format that the client accepts is known.
    """
    if wanted is not None:
        return wanted
    accepted = [part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "*/*").split(",")]
    for media in accepted:
        if media in _BY_MEDIA:
            return _BY_MEDIA[media]
    raise HTTPException(406, f"answers are {', '.join(MEDIA.values())}: ask for one, or give format=json|csv|parquet")


def body_reply(request: Request, body: Body, media: str = MEDIA[Format.JSON]) -> Response:
    """An encoded answer; 304 where the client has it."""
    headers = {"etag": body.tag, "vary": "accept"}
    if body.tag in [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(body.content, media_type=media, headers=headers)


def table_reply(request: Request, table: pa.Table, wanted: Format | None) -> Response:
    """Rows in the format that is asked for; JSON is {"rows": [...]}."""
    format = choose_format(request, wanted)
    if format is Format.JSON:
        content = to_json({"rows": json_rows(table)}, inf_nan_mode="null")
    else:
        content = csv_bytes(table) if format is Format.CSV else encode_table(table)
    return body_reply(request, Body(content, tag_of(content)), MEDIA[format])


def json_rows(table: pa.Table) -> list[dict[str, Any]]:
    """Rows as JSON has them: UTC texts, and numbers rounded to three decimals."""
    columns = {name: _plain(table[name]) for name in table.column_names}
    rows: list[dict[str, Any]] = pa.table(columns).to_pylist()
    return rows


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column.cast(pa.timestamp("s"), safe=False), "%Y-%m-%dT%H:%M:%SZ")
    if pa.types.is_floating(column.type):
        return pc.round(column.cast(pa.float64()), DECIMALS)
    return column
