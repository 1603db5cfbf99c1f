"""The fold is what the slow, obvious fold says, however rows are batched, shuffled and named."""

from __future__ import annotations

import tempfile
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from support.oracles import slow_fold

from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.fold import fold
from tasks.tables.rebuild import rebuild_day

TARGETS = ("entries", "exits")
START = datetime(2024, 5, 10)
counts = st.one_of(st.none(), st.integers(0, 2**31 - 1), st.integers(0, 5), st.just(schemas.NOT_KNOWN))
moments = st.integers(0, 3).map(lambda n: START + timedelta(minutes=n))
statements = st.fixed_dictionaries(
    {
        "station": st.sampled_from(("A", "B", "ä b", "")),
        "minute": moments,
        "part": st.sampled_from(("", "x", "y")),
        "available": moments,
        "received": moments,
        "source": st.sampled_from("st"),
        "entries": counts,
        "exits": counts,
    }
)


def as_table(rows: list[dict[str, Any]]) -> pa.Table:
    columns = {
        "station_id": [r["station"] for r in rows],
        "minute_utc": [r["minute"] for r in rows],
        "part": [r["part"] for r in rows],
        "source": [r["source"] for r in rows],
        "available_at": [r["available"] for r in rows],
        "received_at": [r["received"] for r in rows],
        **{target: [r[target] for r in rows] for target in TARGETS},
    }
    arrays = []
    for field in schemas.observations(TARGETS):
        values = columns[field.name]
        if field.type == schemas.NAME:
            arrays.append(pa.array(values, pa.string()).dictionary_encode().cast(schemas.NAME))
        elif field.type == schemas.TIME:
            arrays.append(schemas.time_array(np.array(values, dtype="datetime64[us]")))
        else:
            arrays.append(pa.array(values, field.type))
    return pa.Table.from_arrays(arrays, schema=schemas.observations(TARGETS))


@given(st.lists(statements, max_size=30))
def test_the_fold_equals_the_slow_one(rows: list[dict[str, Any]]) -> None:
    table = fold(as_table(rows), TARGETS)
    keys = zip(
        table["station_id"].to_pylist(), [t.replace(tzinfo=None) for t in table["minute_utc"].to_pylist()], strict=True
    )
    values = zip(*(table[target].to_pylist() for target in TARGETS), strict=True)
    highest = 2**31 - 1
    wanted = {
        key: tuple(None if v is None else min(v, highest) for v in pair)
        for key, pair in slow_fold(rows, TARGETS).items()
        if pair != (None, None)
    }
    got = dict(zip(keys, values, strict=True))
    assert got == wanted
    assert list(got) == sorted(got)


@settings(max_examples=40)
@given(
    st.lists(statements, min_size=1, max_size=12),
    st.randoms(use_true_random=False),
)
def test_any_interleaving_of_batches_gives_the_same_bytes(rows: list[dict[str, Any]], luck: Any) -> None:
    written = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as root:
            store = Store(root)
            luck.shuffle(rows)
            cut = luck.randrange(len(rows) + 1)
            names = ["a", "b"]
            luck.shuffle(names)
            for name, batch in zip(names, (rows[:cut], rows[cut:]), strict=True):
                store.write_table(f"{schemas.day_folder('observations', '2024-05-10')}/{name}.parquet", as_table(batch))
                rebuild_day(store, "2024-05-10", TARGETS)
            written.append(store.read_bytes(schemas.minutes_file("2024-05-10")))
    assert written[0] == written[1] is not None
