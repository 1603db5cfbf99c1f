"""A feed with rows of every kind of fault, and short ways to write them out, repair them and take them back."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from flows.pipelines import repair as rejects
from support.ingest_bench import NOW, Bench, at

HEADER = ("station_id", "minute_utc", "entries", "exits")
TIME = "2024-05-10T10:00Z"
LATER = NOW + np.timedelta64(60, "s")


def counts(folder: Path, **more: Any) -> Bench:
    """Six good rows and seven rejected ones, of all kinds, in two files."""
    bench = Bench.counts(folder, **more)
    text = (
        "station_id,minute_utc,entries,exits,note\n"
        f"A,{TIME},1,1,\n"
        f'B,{TIME},many,1,"two\nlines"\n'
        f"C,{TIME},1\n"
        f"D,soon,4,4,\n"
        f"K\xf6ln,{TIME},5,5,\n"
        f"E,{TIME},6,6,last\n"
        f"=E,{TIME},7,7,=1+1\n"
        f"A,{TIME},2,2,\n"
    )
    bench.put("a.csv", text.encode("latin-1"))
    bench.put_rows("b.csv", HEADER, [("A", "2024-05-10T10:01Z", -1, 3), ("B", "2024-05-10T10:01Z", 1, 1)])
    return bench


def written(bench: Bench, name: str = "bad.csv") -> Path:
    out = bench.folder / name
    assert rejects.write_out(bench.settings, out).failures == []
    return out


def edited(path: Path, edit: Callable[[dict[str, str]], None], keep: Callable[[dict[str, str]], bool] = bool) -> Path:
    """The file as a spreadsheet would save it after some edits."""
    with path.open(newline="", encoding="utf-8-sig") as text:
        rows = [row for row in csv.DictReader(text) if keep(row)]
    for row in rows:
        edit(row)
    with path.open("w", newline="", encoding="utf-8") as text:
        writer = csv.DictWriter(text, rows[0], delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    return path


REPAIRS = {
    ("a.csv", "3"): {"entries": "8"},
    ("a.csv", "5"): {"text": f"C,{TIME},3,3,"},
    ("a.csv", "6"): {"minute_utc": TIME},
    ("a.csv", "7"): {"station_id": "Köln", "minute_utc": TIME, "entries": "5", "exits": "5"},
    ("a.csv", "9"): {"station_id": "E"},
    ("b.csv", "2"): {"entries": "1"},
}


def repair(row: dict[str, str]) -> None:
    row.update(REPAIRS.get((row["file"], row["line"]), {}))


def replayed(bench: Bench, path: Path, as_of: np.datetime64 = LATER) -> rejects.ReplayReport:
    return rejects.replay(bench.settings, as_of, path)


ALL = {
    ("A", at("2024-05-10T10:00")): (2, 2),
    ("B", at("2024-05-10T10:00")): (8, 1),
    ("C", at("2024-05-10T10:00")): (3, 3),
    ("D", at("2024-05-10T10:00")): (4, 4),
    ("E", at("2024-05-10T10:00")): (7, 7),
    ("Köln", at("2024-05-10T10:00")): (5, 5),
    ("A", at("2024-05-10T10:01")): (1, 3),
    ("B", at("2024-05-10T10:01")): (1, 1),
}
