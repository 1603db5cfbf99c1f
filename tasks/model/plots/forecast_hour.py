"""The picture of one issued forecast hour, for a flow run's artifact and for the demonstration."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.clock import to_local
from tasks.model.plots.plots import forecast_against_actual
from tasks.plot_style import station_title
from tasks.settings.tree import Settings
from tasks.stations.load import station_table
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.minutes import read_minutes, to_grid

BEFORE = np.timedelta64(3 * 60, "m")
AFTER = np.timedelta64(60, "m")
BANDS = (("90 %", "q05", "q95"), ("50 %", "q25", "q75"))


def draw_forecast_hour(settings: Settings, forecasts: pa.Table, station: str, target: str) -> bytes:
    """PNG of one station's forecast hour, with the observed counts of the hours before and, where known, of that hour.

    Args:
        settings: network and data root.
        forecasts: rows of `schemas.FORECASTS` of one origin.
        station: station_id.
        target: the count that is shown.
    """
    network = settings.network
    mine = (pc.field("station_id") == station) & (pc.field("target") == target)
    rows = forecasts.filter(mine).sort_by("minute_utc")
    origin = schemas.numpy_times(rows["origin_utc"])[0].astype("datetime64[m]")
    start, end = origin - BEFORE, origin + AFTER
    observed = read_minutes(Store(settings.data_root), start, end, network.timezone, [target])
    grid = to_grid(observed, start, end, network.interval_minutes, [target], [station])
    values = {name: rows[name].to_numpy() for name in ("mean", *(q for _, *pair in BANDS for q in pair))}
    figure = forecast_against_actual(
        to_local(grid.minutes, network.timezone),
        grid.values[0, 0],
        to_local(np.array([origin]), network.timezone)[0],
        values["mean"],
        [(label, values[low], values[high]) for label, low, high in BANDS],
        where=f"{target} at {station_title(station_table(settings).find(station).name, station)}",
        interval=network.interval_minutes,
        timezone=network.timezone,
    )
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=88)
    return out.getvalue()
