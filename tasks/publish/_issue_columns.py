"""Rows of a publication that say which forecast they are of."""

from __future__ import annotations

import pyarrow as pa

from tasks.contracts import Publication


def with_issue(publication: Publication, table: pa.Table) -> pa.Table:
    """Rows of the stations or of the day, with `issued_at` and `origin_utc` of the forecast before them."""
    for place, column in enumerate(("issued_at", "origin_utc")):
        moment = publication.forecasts[column][0]
        table = table.add_column(place, publication.forecasts.schema.field(column), pa.repeat(moment, table.num_rows))
    return table
