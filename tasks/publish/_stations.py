"""The stations of a publication as rows that say which forecast they are of."""

from __future__ import annotations

import pyarrow as pa

from tasks.contracts import Publication


def stations_with_issue(publication: Publication) -> pa.Table:
    """The rows of the stations, with `issued_at` and `origin_utc` of the forecast before them."""
    table = publication.stations
    for place, column in enumerate(("issued_at", "origin_utc")):
        moment = publication.forecasts[column][0]
        table = table.add_column(place, publication.forecasts.schema.field(column), pa.repeat(moment, table.num_rows))
    return table
