"""Files of a test looked at by init, and what lands by the configuration that it writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from support.ingest_bench import at, naive, whole_span
from tasks.ingest.inspect.answers import Answers
from tasks.ingest.inspect.inspection import Inspection, inspect_files
from tasks.ingest.inspect.toml_text import toml_text
from tasks.ingest.steps import ingest_source
from tasks.settings.toml_file import load_settings
from tasks.storage.store import Store
from tasks.tables.minutes import read_minutes

NOW = np.datetime64("2024-06-01T00:00", "s")
UTC = Answers(timezone="UTC")
Truth = dict[tuple[str, Any], tuple[int | None, ...]]


def look(folder: Path, answers: Answers = UTC, keys: dict[str, Any] | None = None, **files: str | bytes) -> Inspection:
    """What is understood of files by their names, in which a dot is written as `__`."""
    (folder / "feed").mkdir(exist_ok=True)
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / "feed" / name.replace("__", ".")).write_bytes(data)
    return inspect_files([str(folder / "feed")], answers, keys or {}, None, NOW)


def options(found: Inspection) -> list[str]:
    return [question.option.split(" ")[0] for question in found.questions]


def landed(folder: Path, found: Inspection) -> Truth:
    """Minutes in which somebody was counted, after an ingest by the TOML that was written."""
    out = folder / "network.toml"
    out.write_text(toml_text(found, [str(folder / "feed")], out))
    settings = load_settings(out)
    report = ingest_source(settings, "feed", NOW)
    network = settings.network
    store = Store(settings.data_root)
    table = read_minutes(store, *whole_span(store), network.timezone, network.targets, None)
    rows = {(row["station_id"], naive(row["minute_utc"])): tuple(row[t] for t in network.targets) for row in table.to_pylist()}  # fmt: skip
    made = found.promise
    assert made is not None
    assert (made.rows, made.rejected) == (report.rows, report.rejected)
    assert list(made.stations) == sorted({station for station, _ in rows})
    assert made.people == {t: sum(v[i] or 0 for v in rows.values()) for i, t in enumerate(network.targets)}
    assert {(s, at(str(m))): counts for m, s, counts in made.minutes}.items() <= rows.items()
    return {key: value for key, value in rows.items() if any(value)}
