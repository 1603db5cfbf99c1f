"""The routes: each looks up or queries, and answers in the format that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pyarrow.compute as pc
from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response

from flows.api.documents import Health, answers
from flows.api.latest import Latest, Published
from flows.api.queries import DAY, HOUR, Span, Tables, read_moment, read_span
from flows.api.replies import Format, body_reply, choose_format, table_reply
from flows.api.stored_day import StoredDay
from tasks.settings.tree import Settings

LATE = np.timedelta64(15, "m")


@dataclass(frozen=True)
class Context:
    """What the routes answer from.

    Attributes:
        settings: the network, and the limits of queries.
        published: the newest forecast.
        day: the service day of the published forecast.
        tables: of the data root.
        now: reads the clock, UTC.
    """

    settings: Settings
    published: Published
    day: StoredDay
    tables: Tables
    now: Callable[[], np.datetime64]

    def latest(self) -> Latest:
        """The newest forecast.

        Raises:
            HTTPException: 503 before the first one.
        """
        if self.published.latest is None:
            raise HTTPException(503, "no forecast is published yet: ask again in a minute", {"Retry-After": "60"})
        return self.published.latest


def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


Here = Annotated[Context, Depends(_context)]
StationId = Annotated[str, Path(min_length=1, max_length=200, description="Id of the network.", examples=["40380"])]
OneStation = Annotated[str | None, Query(max_length=200, description="Of one station.", examples=["40380"])]
OneTarget = Annotated[str | None, Query(max_length=100, description="Of one target.", examples=["entries"])]
Wanted = Annotated[
    Format | None,
    Query(alias="format", description="Format of the answer; by default what Accept asks for, else JSON."),
]
_TIME = "ISO 8601; without an offset, local time of the network."
_SHAPE: dict[str, Any] = {"pattern": r"^(19|20|21)\d\d-[01]\d-[0-3]\d(T[0-2]\d:[0-5]\d(:[0-5]\d)?(Z|[+-]\d\d:\d\d)?)?$"}
"""For the document alone: what has another shape is answered by one line that says what is wrong."""


def _time(what: str, example: str) -> Any:
    return Query(max_length=40, description=f"{what} {_TIME}", examples=[example], json_schema_extra=_SHAPE)


Start = Annotated[str | None, _time("First minute.", "2024-03-05T08:00")]
End = Annotated[str | None, _time("Minute after the last.", "2024-03-05T12:00-06:00")]
AsOf = Annotated[str | None, _time("What was known then.", "2024-03-05T09:02Z")]

router = APIRouter()


@router.get("/health", response_model=Health, tags=["service"])
async def health(here: Here) -> dict[str, Any]:
    """Whether a forecast is published, and how old it is; needs no key, and is 200 as long as the server answers."""
    latest = here.published.latest
    document = {} if latest is None else latest.document
    due = document.get("next_issue_at") or document.get("issued_at")
    late = due is not None and here.now() - np.datetime64(due.removesuffix("Z")) > LATE
    known = ("issued_at", "origin_utc", "next_issue_at", "model_version", "degraded_reason")
    return {
        "status": "empty" if latest is None else "late" if late else "ok",
        "network": here.settings.network.name,
        **{key: document.get(key) for key in known},
    }


@router.get("/stations", responses=answers("stations"), response_class=Response, tags=["stations"])
async def stations(
    request: Request,
    here: Here,
    line: Annotated[str | None, Query(max_length=200, description="Of one line.", examples=["Blue"])] = None,
    zone: Annotated[str | None, Query(max_length=200, description="Of one zone.")] = None,
    wanted: Wanted = None,
) -> Response:
    """Stations that are forecast, with what is known of them."""
    rows = here.latest().station_rows()
    for column, value in (("line", line), ("zone", zone)):
        if value is not None:
            rows = rows.filter(pc.fill_null(pc.equal(rows[column], value), False))
    return table_reply(request, rows, wanted)


@router.get("/next-hour", responses=answers("hours"), response_class=Response, tags=["forecast"])
async def next_hours(request: Request, here: Here, wanted: Wanted = None) -> Response:
    """The next hour of every station: `latest.json`, or as rows in CSV and Parquet."""
    latest = here.latest()
    if choose_format(request, wanted) is Format.JSON:
        return body_reply(request, latest.whole)
    return table_reply(request, latest.rows(latest.stations), wanted)


@router.get(
    "/stations/{station_id:path}/next-hour", responses=answers("hour"), response_class=Response, tags=["forecast"]
)
async def next_hour(request: Request, here: Here, station_id: StationId, wanted: Wanted = None) -> Response:
    """The next hour of one station: people per interval with their quantiles, level, and why."""
    latest = _forecast_of(here, station_id)
    if choose_format(request, wanted) is Format.JSON:
        return body_reply(request, latest.body(station_id))
    return table_reply(request, latest.rows([station_id]), wanted)


@router.get("/stations/{station_id:path}/day", responses=answers("day"), response_class=Response, tags=["forecast"])
def day(request: Request, here: Here, station_id: StationId, wanted: Wanted = None) -> Response:
    """The service day of one station in bins: the typical day, today so far, the next hour and the rest of the day."""
    rows = here.day.rows(station_id, _forecast_of(here, station_id).document)
    if rows is None:
        raise HTTPException(
            503, "the day of this forecast is not there yet: ask again in a minute", {"Retry-After": "60"}
        )
    return table_reply(request, rows, wanted)


@router.get(
    "/stations/{station_id:path}/history", responses=answers("history"), response_class=Response, tags=["history"]
)
def history(
    request: Request,
    here: Here,
    station_id: StationId,
    start: Start = None,
    end: End = None,
    as_of: AsOf = None,
    wanted: Wanted = None,
) -> Response:
    """Observed counts of one station, the last 24 hours by default; with `as_of`, as they were known at that moment."""
    _forecast_of(here, station_id)
    now = here.now()
    span = read_span(here.settings, start, end, Span(now - DAY, now))
    known = None if as_of is None else read_moment(here.settings, "as_of", as_of)
    return table_reply(request, here.tables.history(station_id, span, known), wanted)


@router.get("/forecasts", responses=answers("forecasts"), response_class=Response, tags=["history"])
def forecasts(
    request: Request,
    here: Here,
    start: Start = None,
    end: End = None,
    as_of: AsOf = None,
    station_id: OneStation = None,
    target: OneTarget = None,
    wanted: Wanted = None,
) -> Response:
    """Forecasts of the minutes of a span, all that were issued; with `as_of`, of each minute the newest one known then.

    Without a span: the hour from `as_of`, else from now.
    """
    known = None if as_of is None else read_moment(here.settings, "as_of", as_of)
    first = here.now() if known is None else known
    span = read_span(here.settings, start, end, Span(first, first + HOUR))
    return table_reply(request, here.tables.forecasts(span, known, station_id, target), wanted)


@router.get("/scores", responses=answers("scores"), response_class=Response, tags=["history"])
def scores(
    request: Request,
    here: Here,
    start: Start = None,
    end: End = None,
    station_id: OneStation = None,
    target: OneTarget = None,
    band: Annotated[str | None, Query(max_length=40, description="Of one band of horizons.")] = None,
    wanted: Wanted = None,
) -> Response:
    """Errors of the forecasts whose hour began in a span, the last 24 hours by default."""
    now = here.now()
    span = read_span(here.settings, start, end, Span(now - DAY, now))
    return table_reply(request, here.tables.scores(span, station_id, target, band), wanted)


def _forecast_of(here: Context, station_id: str) -> Latest:
    """The newest forecast, which has the station.

    Raises:
        HTTPException: 404, if it does not have it.
    """
    latest = here.latest()
    if station_id not in latest.document["stations"]:
        raise HTTPException(404, f"no station {station_id!r} is forecast: /stations has those that are")
    return latest
