"""Steps of the forecast stage."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np

from tasks.contracts import Features, Forecaster
from tasks.forecast.checks import CHECKS as CHECKS
from tasks.forecast.guard import Ladder
from tasks.forecast.issue import Issue as Issue
from tasks.forecast.issue import make_issue
from tasks.forecast.spool import add_to_table
from tasks.overrides.entry import Override
from tasks.settings.tree import Settings
from tasks.stepping import step
from tasks.storage.store import Store
from tasks.tables import schemas

log = logging.getLogger(__name__)


@step("issue forecast")
def issue(
    settings: Settings,
    features: Features,
    ladder: Ladder,
    issued_at: np.datetime64,
    origin: np.datetime64,
    overrides: Sequence[Override] = (),
) -> Issue:
    """Forecast the hour from `origin`; writes nothing, so that no table holds up the publication.

    Args:
        settings: the network and its data root.
        features: minutes known at `issued_at`.
        ladder: (name, loader) from the best to the surest model; a loader raises ModelError where there is none.
        issued_at: the moment of the forecast, UTC.
        origin: first minute forecast, UTC, on the grid.
        overrides: what people changed.

    Raises:
        HistoryError: if no station is known, or the origin is off the grid.
        ModelError: if no rung answers.
    """
    issued = make_issue(settings.network, features, ladder, issued_at, origin, settings.guard, overrides)
    log.info("forecast of %s by %s%s", issued.summary["origin_local"], issued.model_version, _reason(issued))
    return issued


@step("store forecast")
def store_issue(settings: Settings, issued: Issue) -> None:
    """Add an issue to the forecasts table, and those that wait in the spool; the same forecast twice is one file.

    Raises:
        StoreError: if the table cannot be written; the rows then wait in the spool, where that can be.
    """
    add_to_table(Store(settings.data_root), issued.path, issued.table)


@step("issue shadow")
def issue_shadow(
    settings: Settings,
    features: Features,
    name: str,
    load: Callable[[], Forecaster],
    issued_at: np.datetime64,
    origin: np.datetime64,
) -> None:
    """Forecast the hour with a model that does not publish, and add it to the shadows table, without overrides.

    An implausible answer is cut to what the history allows and kept: left out, its errors would flatter the model.

    Args:
        settings: the network and its data root.
        features: minutes known at `issued_at`.
        name: in `[forecast] shadows`; the table's `model_version`.
        load: raises ModelError where there is no such model.
        issued_at: the moment of the forecast, UTC.
        origin: first minute forecast, UTC, on the grid.

    Raises:
        ModelError: if it does not answer, or in another shape.
        StoreError: if the table cannot be written.
    """
    forecaster = load()
    made = make_issue(settings.network, features, [(name, lambda: forecaster)], issued_at, origin, settings.guard)
    rows = made.table.select(schemas.SHADOWS.names)
    version = schemas.name_array(np.zeros(rows.num_rows, np.int32), [name])
    rows = rows.set_column(
        rows.schema.get_field_index("model_version"), schemas.SHADOWS.field("model_version"), version
    )
    path = made.path.removesuffix(".parquet").replace("forecasts", "shadows", 1)
    Store(settings.data_root).write_table(f"{path}-{name.replace(':', '-')}.parquet", rows)


def _reason(issued: Issue) -> str:
    return f" ({issued.degraded_reason})" if issued.degraded_reason else ""
