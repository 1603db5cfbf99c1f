"""Which group each station of a network belongs to, each of which has a model of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from tasks.errors import ConfigError
from tasks.grid import Grid, people_per_station
from tasks.settings.groups import MOST, GroupSettings
from tasks.settings.tree import Settings
from tasks.stations.load import load_station_table
from tasks.stations.table import StationTable


@dataclass(frozen=True)
class Group:
    """Stations that share a model.

    Attributes:
        name: for people.
        stations: positions in the grid, ascending.
        names: of these stations.
    """

    name: str
    stations: tuple[int, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, name: str, stations: Iterable[int], grid: Grid) -> Group:
        """A group of stations of a grid."""
        at = tuple(sorted(stations))
        return cls(name, at, tuple(grid.stations[i] for i in at))


def find_groups(settings: Settings, grid: Grid, before: np.datetime64) -> tuple[Group, ...]:
    """Groups of the stations of a grid, the largest first; none where none are asked for.

    The network's total is a group of its own, and the last one.

    Args:
        settings: `groups` and `stations` are used.
        grid: the network's counts.
        before: UTC; sizes are those of the counts before it.

    Raises:
        ConfigError: if the station table lacks what the groups are made by, or there are too many groups.
    """
    asked = settings.groups
    if not asked.asked:
        return ()
    table = load_station_table(settings)
    _check_table(asked, table, grid.stations)
    members: dict[str, list[int]] = defaultdict(list)
    left = []
    for at, station in enumerate(grid.stations[grid.parts]):
        name = _listed(asked, table, station) or _column(asked, table, station)
        members[name].append(at) if name else left.append(at)
    if asked.by == "size":
        for number, part in enumerate(np.array_split(_by_size(grid, left, before), asked.sizes), 1):
            members[f"size-{number}"] += part.tolist()
    else:
        members[asked.rest] += left
    return _ordered(members, asked, grid)


def _ordered(members: Mapping[str, list[int]], asked: GroupSettings, grid: Grid) -> tuple[Group, ...]:
    """Groups of enough stations, the largest first; those of the others are the rest."""
    kept = {name: at for name, at in members.items() if len(at) >= asked.least and name != asked.rest}
    rest = [at for name, each in members.items() if name not in kept for at in each]
    kept |= {asked.rest: rest} if rest else {}
    if len(kept) > MOST:
        raise ConfigError(
            f"[groups] makes {len(kept)} groups, more than {MOST}: raise least, or put lines together in [groups.lists]"
        )
    order = sorted(kept, key=lambda name: (-len(kept[name]), name))
    groups = [Group.of(name, kept[name], grid) for name in order]
    if grid.total is not None:
        groups.append(Group.of(grid.total, [len(grid.stations) - 1], grid))
    return tuple(groups)


def _listed(asked: GroupSettings, table: StationTable, station: str) -> str | None:
    """Group that a list puts a station into: by its id, else by its line, else by its zone."""
    facts = table.find(station)
    for what, value in (("stations", station), ("lines", facts.line), ("zones", facts.zone)):
        for name, each in asked.lists.items():
            if value is not None and value in getattr(each, what):
                return name
    return None


def _column(asked: GroupSettings, table: StationTable, station: str) -> str | None:
    """Group that a column of the station table puts a station into."""
    facts = table.find(station)
    return {"line": facts.line, "zone": facts.zone}.get(asked.by or "")


def _by_size(grid: Grid, stations: list[int], before: np.datetime64) -> list[int]:
    """Stations by people counted before a moment, most first."""
    columns = int(np.searchsorted(grid.held_steps, grid.index(before)))
    people = people_per_station(grid.values[..., :columns])
    return [stations[i] for i in np.argsort(-people[stations], kind="stable")]


def _check_table(asked: GroupSettings, table: StationTable, stations: tuple[str, ...]) -> None:
    """Reject groups by a column that no station has."""
    wanted = {
        "line": asked.by == "line" or any(each.lines for each in asked.lists.values()),
        "zone": asked.by == "zone" or any(each.zones for each in asked.lists.values()),
    }
    for column, needed in wanted.items():
        if needed and not any(getattr(table.find(station), column) for station in stations):
            where = f"{table.origin} has none" if table.origin else "there is no [stations] file"
            raise ConfigError(
                f"[groups] needs the {column} of stations and {where} for any station that was counted: give a station "
                f'file with a column {column}, use by = "size", or name stations in [groups.lists]'
            )
