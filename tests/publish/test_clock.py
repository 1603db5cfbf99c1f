"""A publication that lies ahead of the clock is kept where the clock is behind, and replaced where it ran ahead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tasks.publish._clock import remember_publication, trusted_until
from tasks.publish._newest import published_moment
from tasks.storage.store import Store
from tasks.tables import schemas

NOW = "2024-03-05T09:00:00Z"


def issue(origin: str) -> dict[str, str]:
    return {"origin_utc": origin, "issued_at": origin.replace(":00Z", ":20Z")}


def observe(store: Store, minute: str) -> None:
    """A count of one minute."""
    row = {"station_id": ["a"], "minute_utc": schemas.time_array(np.array([minute], "datetime64[m]")), "entries": [3]}
    schema = schemas.minutes(["entries"])
    store.write_table(schemas.minutes_file(minute[:10]), pa.table(row).cast(schema))


@pytest.mark.parametrize(
    ("published", "observed", "until"),
    [
        (None, "2024-03-05T08:59", None),
        ("2024-03-05T08:55:00Z", "2024-03-05T08:59", None),
        ("2024-03-05T09:00:00Z", "2024-03-05T08:59", None),
        ("2024-03-05T10:00:00Z", "2024-03-05T08:59", None),  # over in an hour, whoever is right
        ("2024-03-05T11:00:00Z", "2024-03-05T10:58", None),  # minutes of the future were counted: the clock is behind
        ("2024-03-05T11:00:00Z", "2024-03-05T08:59", NOW),
        ("2031-01-01T00:00:00Z", "2024-03-05T08:59", NOW),
        ("2031-01-01T00:00:00Z", "2030-12-31T23:59", NOW),  # nothing is silenced for years
    ],
)
def test_what_was_published_ahead_of_the_clock_is_trusted_as_the_counts_say(
    tmp_path: Path, published: str | None, observed: str, until: str | None
) -> None:
    store = Store(str(tmp_path))
    observe(store, observed)
    if published:
        remember_publication(store, issue(published))
    assert trusted_until(store, ["entries"], issue(NOW)) == until


def test_the_newest_publication_is_remembered_and_a_wrong_one_forgotten(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    for origin in ("2024-03-05T09:05:00Z", NOW):
        remember_publication(store, issue(origin))
    assert published_moment(store, "newest")[0] == "2024-03-05T09:05:00Z"
    remember_publication(store, issue(NOW) | {"trusted_until": NOW})
    assert published_moment(store, "newest")[0] == NOW
