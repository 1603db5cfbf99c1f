"""Which group a station belongs to: by list, by column of the station table, by size, or the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.errors import ConfigError
from tasks.grid import Grid
from tasks.model.groups import find_groups
from tasks.settings.tree import Settings

START = np.datetime64("2024-03-01T00:00", "m")
NAMES = ("a", "b", "c", "d", "e", "f")
TABLE = "station_id,name,line,zone\na,A,Red,1\nb,B,Red,\nc,C,Blue,1\nd,D,Blue,2\ne,E,,2\nf,F,Green,2\n"


def grid(total: str | None = None) -> Grid:
    """Six stations of 1 to 6 people a minute; in the last hour all is the other way round."""
    counts = np.repeat(np.arange(1, 7, dtype=np.float32)[None, :, None], 300, axis=2)
    counts[:, :, 240:] = 1000 - 100 * counts[:, :, 240:]
    names: tuple[str, ...] = NAMES
    if total:
        counts, names = np.concatenate([counts, counts.sum(axis=1, keepdims=True)], axis=1), (*NAMES, total)
    return Grid(counts, START, 1, names, ("entries",), total)


def groups(root: Path, asked: dict[str, Any], table: str | None = TABLE, total: str | None = None) -> dict[str, str]:
    """Name -> stations of each group, in order."""
    stations = {}
    if table is not None:
        (root / "stations.csv").write_text(table)
        stations = {"file": str(root / "stations.csv")}
    settings = Settings(data_root=str(root), stations=stations, groups=asked)
    counts = grid(total)
    found = find_groups(settings, counts, START + np.timedelta64(240, "m"))
    return {group.name: "".join(counts.stations[i] for i in group.stations) for group in found}


def test_without_groups_there_are_none(tmp_path: Path) -> None:
    assert groups(tmp_path, {}) == {}


def test_stations_of_a_line_are_a_group_and_small_ones_are_the_rest(tmp_path: Path) -> None:
    assert groups(tmp_path, {"by": "line"}) == {"Blue": "cd", "Red": "ab", "rest": "ef"}
    assert groups(tmp_path, {"by": "line", "least": 1, "rest": "others"}) == {
        "Blue": "cd",
        "Red": "ab",
        "Green": "f",
        "others": "e",
    }
    assert groups(tmp_path, {"by": "zone"}) == {"2": "def", "1": "ac", "rest": "b"}


def test_lists_come_before_a_column_and_ids_before_lines(tmp_path: Path) -> None:
    lists = {"north": {"stations": ["c", "e"]}, "south": {"lines": ["Red", "Blue"]}}
    assert groups(tmp_path, {"lists": lists}) == {"south": "abd", "north": "ce", "rest": "f"}
    assert groups(tmp_path, {"lists": lists, "by": "zone", "least": 1}) == {"south": "abd", "north": "ce", "2": "f"}


def test_sizes_are_thirds_by_people_counted_before_the_days_that_judge(tmp_path: Path) -> None:
    assert groups(tmp_path, {"by": "size"}, None) == {"size-1": "ef", "size-2": "cd", "size-3": "ab"}
    assert groups(tmp_path, {"by": "size", "sizes": 2}, None) == {"size-1": "def", "size-2": "abc"}


def test_the_total_is_a_group_of_its_own(tmp_path: Path) -> None:
    assert groups(tmp_path, {"by": "line"}, total="ALL") == {"Blue": "cd", "Red": "ab", "rest": "ef", "ALL": "ALL"}


@pytest.mark.parametrize("column", ["line", "zone"])
def test_a_table_without_the_column_is_rejected_with_what_to_do(tmp_path: Path, column: str) -> None:
    bare = "station_id,name\na,A\nb,B\n"
    with pytest.raises(
        ConfigError, match=f"needs the {column} of stations and .*stations.csv has none.*give a station"
    ):
        groups(tmp_path, {"by": column}, bare)
    with pytest.raises(ConfigError, match=r"there is no \[stations\] file"):
        groups(tmp_path, {"by": column}, None)
    with pytest.raises(ConfigError, match=f"needs the {column}"):
        groups(tmp_path, {"lists": {"north": {f"{column}s": ["Red"]}}}, bare)


def test_more_than_a_hundred_groups_are_rejected(tmp_path: Path) -> None:
    names = [f"s{i}" for i in range(101)]
    table = "station_id,line\n" + "".join(f"{name},{name}\n" for name in names)
    (tmp_path / "stations.csv").write_text(table)
    settings = Settings(stations={"file": str(tmp_path / "stations.csv")}, groups={"by": "line", "least": 1})
    many = replace(grid(), values=np.ones((1, 101, 9), np.float32), stations=tuple(names))
    with pytest.raises(ConfigError, match="makes 101 groups, more than 100: raise least"):
        find_groups(settings, many, START)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"lists": {"a": {"stations": ["x"]}, "b": {"stations": ["x"]}}}, "has station 'x' in a and in b: keep one"),
        ({"lists": {"a": {}}}, "names a group without stations, lines or zones"),
        ({"by": "region"}, "line"),
        ({"lists": {"a/b": {"stations": ["x"]}}}, "pattern"),
    ],
)
def test_groups_that_contradict_themselves_are_rejected(asked: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, ValueError), match=message):
        Settings(groups=asked)
