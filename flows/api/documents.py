"""What the OpenAPI document says of the interface: prose, examples, and the answers that are no data."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

DESCRIPTION = """
The next hour of ridership of every station, and what it was made from. Everything is read-only.

- **Formats**: JSON, CSV or Parquet, by `Accept` or `?format=`. Times are UTC in answers; in queries a time without an
  offset is local time of the network.
- **Caching**: every answer has an `ETag`; send it as `If-None-Match`, and an answer that has not changed is a 304.
- **Keys**: where the server asks for one, send `Authorization: Bearer KEY` or `X-API-Key: KEY`.
- **Limits**: a query has a longest span and a largest number of rows; beyond them the answer is a 400 that says so.
"""


class Problem(BaseModel):
    """Why a request was not answered."""

    detail: str = Field(description="One line: what is wrong, and what to do.")


class Health(BaseModel):
    """Whether there is a forecast, and how old it is."""

    status: str = Field(description="ok; late: the next forecast is overdue by 15 minutes; empty: there is none.")
    network: str
    issued_at: str | None = Field(description="When the published forecast was issued, UTC.")
    origin_utc: str | None = Field(description="First minute of its hour.")
    next_issue_at: str | None = Field(description="When the next one is due.")
    model_version: str | None
    degraded_reason: str | None = Field(description="Why it is not the champion's on fresh data; else null.")


def _problem(what: str, detail: str) -> dict[str, Any]:
    return {"model": Problem, "description": what, "content": {"application/json": {"example": {"detail": detail}}}}


PROBLEMS: dict[int | str, dict[str, Any]] = {
    304: {"description": "What the client has is still right."},
    400: _problem("The query asks for too much, or for a time that cannot be read.", "the span is longer than 31 days"),
    401: _problem("A key is asked for.", "give a key: Authorization: Bearer KEY"),
    404: _problem("There is no such station.", "no station '40380' is forecast"),
    406: _problem("No format that the client accepts is known.", "answers are application/json, text/csv, ..."),
    421: _problem("The server does not know the name by which it is asked.", "this name is not served"),
    429: _problem("The client asked too often; `Retry-After` says when to ask again.", "too many requests"),
    503: _problem("There is no forecast yet, or the tables cannot be read now.", "no forecast is published yet"),
}
"""Answers that every route may give, by status."""

_HOUR = {
    "network": "Chicago",
    "issued_at": "2024-03-05T09:00:20Z",
    "origin_utc": "2024-03-05T09:00:00Z",
    "next_issue_at": "2024-03-05T09:05:00Z",
    "model_version": "12",
    "degraded_reason": None,
    "interval_minutes": 15,
    "horizon_minutes": [15, 30, 45, 60],
    "quantiles": ["q05", "q50", "q95"],
    "station_id": "40380",
    "name": "Clark/Lake",
    "targets": {"entries": {"mean": [41.2, 44.0, 47.9, 52.3], "q05": [30, 31, 34, 37], "q50": [41, 44, 48, 52],
                            "q95": [54, 58, 62, 67]}},
    "levels": {"entries": {"hour": 185.4, "percent_of_usual": 118, "level": 4,
                           "why": "18 % above a usual Tuesday: the last half hour ran 12 % high, rain adds 5 %"}},
}  # fmt: skip
_FORECAST = {"issued_at": "2024-03-05T09:00:20Z", "origin_utc": "2024-03-05T09:00:00Z",
             "minute_utc": "2024-03-05T09:15:00Z", "horizon_minutes": 30, "station_id": "40380", "target": "entries",
             "mean": 44.0, "q05": 31.0, "q50": 44.0, "q95": 58.0, "model_version": "12",
             "degraded_reason": None}  # fmt: skip
_DAY = {"issued_at": "2024-03-05T09:00:20Z", "origin_utc": "2024-03-05T09:00:00Z", "station_id": "40380",
        "target": "entries", "minute_utc": "2024-03-05T14:00:00Z", "usual": 50.1, "observed": None, "forecast": 55.2,
        "low": 38.0, "high": 73.5, "kind": "rest_of_day"}  # fmt: skip
_SCORE = {"issued_at": "2024-03-05T09:00:20Z", "origin_utc": "2024-03-05T09:00:00Z", "station_id": "40380",
          "target": "entries", "band": "16-30", "model_version": "12", "minutes": 15, "actual": 47.0, "forecast": 44.0,
          "absolute_error": 3.0}  # fmt: skip
_STATION = {"station_id": "40380", "name": "Clark/Lake", "line": "Blue", "zone": None, "latitude": 41.8857,
            "longitude": -87.6309, "capacity": None}  # fmt: skip

EXAMPLES: dict[str, Any] = {
    "stations": {"rows": [_STATION]},
    "hour": _HOUR,
    "hours": {key: value for key, value in _HOUR.items() if key not in ("station_id", "name", "targets", "levels")}
    | {"stations": {"40380": _HOUR["targets"]}, "levels": {"40380": _HOUR["levels"]}},
    "day": {"rows": [_DAY]},
    "history": {"rows": [{"station_id": "40380", "minute_utc": "2024-03-05T08:45:00Z", "entries": 39, "exits": 12}]},
    "forecasts": {"rows": [_FORECAST]},
    "scores": {"rows": [_SCORE]},
}
"""Bodies of the routes, shortened."""


def answers(example: str) -> dict[int | str, dict[str, Any]]:
    """What a route may answer: an example in JSON, the other formats, and every problem."""
    formats = {
        "application/json": {"example": EXAMPLES[example], "schema": {"type": "object"}},
        "text/csv": {"schema": {"type": "string"}},
        "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
    }
    return {200: {"description": "The rows, in the format that was asked for.", "content": formats}, **PROBLEMS}
