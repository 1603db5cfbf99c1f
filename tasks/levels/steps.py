"""Steps of the levels stage."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.clock import service_dates
from tasks.contracts import History, Publication
from tasks.largest_hours import largest_hours
from tasks.levels.day import day_series, hour_spread
from tasks.levels.hour import Hour, read_hour
from tasks.levels.rest_of_day import rest_file, rest_rows
from tasks.levels.sentence import name_day, name_span
from tasks.levels.station_levels import Wording, station_levels
from tasks.overrides.entry import Override
from tasks.settings.tree import Settings
from tasks.stations.load import station_table
from tasks.stepping import step
from tasks.storage.store import Store
from tasks.tables import schemas

log = logging.getLogger(__name__)


@step("find levels")
def make_publication(
    settings: Settings,
    history: History,
    forecasts: pa.Table,
    summary: dict[str, Any],
    overrides: Sequence[Override] = (),
) -> Publication:
    """One issue as targets publish it: with levels, and a day that is made when a target asks for it.

    Args:
        settings: the network, its stations and levels.
        history: the minutes from which the forecast was made.
        forecasts: rows of `tables.FORECASTS` of one origin.
        summary: of the same issue.
        overrides: of the day from the origin; those of the hour are in the forecasts.
    """
    network = settings.network
    hour = read_hour(forecasts, summary.get("total"))
    place = {name: i for i, name in enumerate(history.grid.stations)}
    targets = [history.grid.targets.index(name) for name in hour.targets]
    record = largest_hours(history.grid)[targets][:, [place[name] for name in hour.stations]].T
    day = service_dates(np.array([hour.origin]), network.timezone)[0]
    wording = Wording(
        name_day(day, day.item() in history.holidays),
        name_span(settings.features.level_minutes),
        " and ".join(channel.name for channel in settings.channels),
        _reasons(summary.get("overrides", []), hour.targets),
    )
    spread = hour_spread(history, hour, settings.features.recency)
    stations = station_levels(hour, record, spread, station_table(settings), settings.levels, wording)
    return Publication(forecasts, summary, stations, lambda: _make_day(settings, history, hour, overrides))


@step("make the day")
def make_day(settings: Settings, history: History, forecasts: pa.Table, overrides: Sequence[Override] = ()) -> pa.Table:
    """The service day of an issue in bins, rows of `tables.DAY_SERIES`; see `Publication.day`.

    Args:
        settings: the network, and the width of bins.
        history: the minutes from which the forecast was made, those of its whole service day among them.
        forecasts: rows of `tables.FORECASTS` of one origin.
        overrides: of the day from the origin; those of the hour are in the forecasts.
    """
    return _make_day(settings, history, read_hour(forecasts, settings.network.total), overrides)


def keep_rest_of_day(settings: Settings, history: History, publication: Publication) -> None:
    """Keep the rest of the day of the first issue of each clock hour, so that it can be scored.

    Args:
        settings: the network and its data root.
        history: the minutes from which the forecast was made, those of its whole service day among them.
        publication: the issue.

    Raises:
        StoreError: if it cannot be written.
    """
    store = Store(settings.data_root)
    hour = read_hour(publication.forecasts, publication.summary.get("total"))
    path = rest_file(hour.origin, service_dates(np.array([hour.origin]), settings.network.timezone)[0])
    if store.exists(path):
        return
    issued_at = schemas.numpy_times(publication.forecasts["issued_at"])[0]
    rows = rest_rows(history, hour, publication.day, issued_at)
    if rows.num_rows:
        store.write_table(path, rows)


def _make_day(settings: Settings, history: History, hour: Hour, overrides: Sequence[Override]) -> pa.Table:
    width, recency = settings.publish.day_minutes, settings.features.recency
    return day_series(history, hour, settings.network.timezone, width, recency, overrides)


def _reasons(overrides: Sequence[dict[str, Any]], targets: Sequence[str]) -> dict[tuple[str, str], str]:
    """Station and target -> why people changed its hour."""
    reasons: dict[tuple[str, str], str] = {}
    for each in overrides:
        for key in product(each["stations"], targets if each["target"] is None else [each["target"]]):
            reasons[key] = f"{reasons[key]}; {each['why']}" if key in reasons else each["why"]
    return reasons
