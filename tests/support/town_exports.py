"""Exports of a made-up town: a few stations, two days, counts that are known, as tables of text in several shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from support.shapes_bench import Counts

Row = list[str]
Record = tuple[str, datetime, int, int]
"""Station, start of the interval on the wall clock, people in, people out."""
_ROLES = ("station", "time", "date", "clock", "hour", "ins", "outs", "count", "direction", "fare", "id")
WORDS: Mapping[str, Mapping[str, str]] = {
    language: dict(zip(_ROLES, names.split(", "), strict=True))
    for language, names in {
        "en": "station, timestamp, date, time, hour, entries, exits, passengers, direction, fare_class, ride_id",
        "us": "Stop ID, Transit Timestamp, Service Date, Time, Hour, Boardings, Alightings, Ridership, Direction, "
        "Payment Method, Trip Id",
        "de": "Haltestelle, Zeit, Datum, Uhrzeit, Stunde, Einsteiger, Aussteiger, Fahrgäste, Richtung, Ticket, Nr",
        "fr": "Arrêt, Horodatage heure, Jour, Heure, Heure, Montées, Descentes, Voyageurs, Sens, Catégorie titre, Numéro",
        "es": "Estación, Fecha hora, Fecha, Hora, Hora, Entradas, Salidas, Pasajeros, Sentido, Tarifa, Código",
        "zh": "站名, 时间, 日期, 时间, 时段, 进站, 出站, 客流量, 方向, 票种, 编号",
        "bare": "A, B, C, D, E, F, G, H, I, J, K",
    }.items()
}
DIRECTIONS = {
    "en": (
        ("Entry", "Exit"),
        ("IN", "OUT"),
        ("boarding", "alighting"),
        ("1", "0"),
        ("E", "X"),
        ("Inbound", "Outbound"),
    ),
    "de": (("Einstieg", "Ausstieg"), ("ein", "aus"), ("1", "2")),
    "fr": (("Montée", "Descente"), ("entrée", "sortie"), ("E", "S"), ("1", "0")),
    "es": (("Entrada", "Salida"), ("Subida", "Bajada"), ("E", "S")),
    "zh": (("进站", "出站"), ("1", "0")),
}
NAMES = {
    "en": ("Main St", "North Gate", "Harbour"), "us": ("72", "R15", "A-1"), "de": ("Köln Süd", "Münster", "Bahnhof"),
    "fr": ("Châtelet", "Gare de l'Est", "Nation"), "es": ("Peñón", "Sol", "Atocha"), "zh": ("东门", "西门", "北站"),
    "bare": ("aa", "bb", "cc"),
}  # fmt: skip


@dataclass
class Town:
    """What truly happened.

    Attributes:
        random: where chance comes from.
        language: of names.
        zone: whose clocks the export shows.
        minutes: of an interval.
        stations: ids as the export writes them.
        first: the first day.
        busy: the largest counts.
    """

    random: Random
    language: str
    zone: str
    minutes: int
    stations: Sequence[str]
    first: datetime
    busy: int = 60
    slots: int = 6

    def records(self) -> list[Record]:
        """Counts of each station and interval, in order of time."""
        found = []
        for day in (0, 1):
            for slot in range(self.slots):
                at = self.first + timedelta(days=day, hours=7, minutes=slot * self.minutes)
                found += [(s, at, self._people(), self._people()) for s in self.stations]
        return found

    def _people(self) -> int:
        return self.random.randrange(1, self.busy)

    def utc(self, wall: datetime) -> datetime:
        """A moment of its clocks."""
        return wall.replace(tzinfo=ZoneInfo(self.zone)).astimezone(UTC).replace(tzinfo=None)

    def word(self, role: str) -> str:
        """What a column is called."""
        return WORDS[self.language][role]


@dataclass
class Export:
    """A table of text, and what it means.

    Attributes:
        town: where it is from.
        names, rows: of the table.
        times: places of the columns that hold a moment, which `when` says row by row.
        when: moments of each row, one per place of `times`.
        numbers: places of columns of counts.
        truth: what must land.
        answers, keys: options of init that say what the table does not.
        zeros: whether minutes without anybody may land as zero.
        clocked: whether moments are of the second.
        said: what was done to it, for messages.
    """

    town: Town
    names: Row
    rows: list[Row]
    times: list[int]
    when: list[list[datetime]]
    numbers: list[int]
    truth: Counts
    answers: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, Any] = field(default_factory=dict)
    zeros: bool = False
    clocked: bool = False
    said: list[str] = field(default_factory=list)


def _truth(town: Town, records: Sequence[Record], *targets: str) -> Counts:
    told = {(s, town.utc(at)): {"entries": ins, "exits": outs} for s, at, ins, outs in records}
    return {key: {t: counts[t] for t in targets} for key, counts in told.items()}


def two_columns(town: Town) -> Export:
    """One row per station and interval, a column per target."""
    records = town.records()
    names = [town.word("station"), town.word("time"), town.word("ins"), town.word("outs")]
    rows = [[s, "", str(ins), str(outs)] for s, _, ins, outs in records]
    answers = {"entries": names[2], "exits": names[3], "time": ((names[1],),), "station": (names[0],)}
    truth = _truth(town, records, "entries", "exits")
    return Export(town, names, rows, [1], [[at] for _, at, _, _ in records], [2, 3], truth, answers)


def one_count(town: Town) -> Export:
    """One row per station and interval, one count."""
    records = town.records()
    names = [town.word("time"), town.word("station"), town.word("count")]
    rows = [["", s, str(ins)] for s, _, ins, _ in records]
    answers = {"count": (names[2],), "time": ((names[0],),), "station": (names[1],)}
    return Export(
        town, names, rows, [0], [[at] for _, at, _, _ in records], [2], _truth(town, records, "entries"), answers
    )


def directed(town: Town) -> Export:
    """One row per station, interval and direction."""
    records = town.records()
    ways = town.random.choice(DIRECTIONS.get(town.language, DIRECTIONS["en"]))
    names = [town.word("station"), town.word("time"), town.word("direction"), town.word("count")]
    rows, when = list[Row](), list[list[datetime]]()
    for s, at, *counts in records:
        for way, many in zip(ways, counts, strict=True):
            rows.append([s, "", way, str(many)])
            when.append([at])
    answers = {
        "entries": f"{names[2]}={ways[0]}", "exits": f"{names[2]}={ways[1]}", "count": (names[3],),
        "time": ((names[1],),), "station": (names[0],),
    }  # fmt: skip
    truth = _truth(town, records, "entries", "exits")
    return Export(town, names, rows, [1], when, [3], truth, answers, said=[f"direction {'/'.join(ways)}"])


def fares(town: Town) -> Export:
    """One row per station, interval and fare class, which add up."""
    records = town.records()
    names = [town.word("station"), town.word("time"), town.word("fare"), town.word("ins"), town.word("outs")]
    rows, when = list[Row](), list[list[datetime]]()
    for s, at, ins, outs in records:
        for fare, of_ins, of_outs in (("full", ins // 2, outs // 3), ("child", ins - ins // 2, outs - outs // 3)):
            rows.append([s, "", fare, str(of_ins), str(of_outs)])
            when.append([at])
    answers = {
        "entries": names[3], "exits": names[4], "time": ((names[1],),), "station": (names[0],), "rows": "sum"
    }  # fmt: skip
    return Export(town, names, rows, [1], when, [3, 4], _truth(town, records, "entries", "exits"), answers)


def taps(town: Town) -> Export:
    """One row per tap, its direction in a column."""
    ways = town.random.choice(DIRECTIONS.get(town.language, DIRECTIONS["en"]))
    names = ["card", town.word("time"), town.word("station"), town.word("direction")]
    truth, rows, when = dict[Any, dict[str, int | None]](), list[Row](), list[list[datetime]]()
    for place in range(40):
        station, way = town.random.choice(town.stations), town.random.randrange(2)
        at = town.first + timedelta(hours=7, seconds=town.random.randrange(3600), days=place % 2)
        rows.append([f"X{place:03d}", "", station, ways[way]])
        when.append([at])
        counts = truth.setdefault((station, town.utc(at.replace(second=0))), {"entries": 0, "exits": 0})
        target = ("entries", "exits")[way]
        counts[target] = (counts[target] or 0) + 1
    answers = {
        "entries": f"{names[3]}={ways[0]}", "exits": f"{names[3]}={ways[1]}", "count": ("none",),
        "time": ((names[1],),), "station": (names[2],),
    }  # fmt: skip
    said = [f"direction {'/'.join(ways)}"]
    return Export(town, names, rows, [1], when, [], truth, answers, zeros=True, clocked=True, said=said)


def trips(town: Town) -> Export:
    """One row per trip, with both of its ends."""
    both = {"en": ("start ", "end "), "us": ("Start ", "End "), "bare": ("p", "q")}.get(
        town.language, ("start ", "end ")
    )
    names = [town.word("id"), *(f"{end}{town.word(role)}" for end in both for role in ("time", "station"))]
    truth, rows, when = dict[Any, dict[str, int | None]](), list[Row](), list[list[datetime]]()
    for place in range(30):
        start = town.first + timedelta(hours=7, seconds=town.random.randrange(3600), days=place % 2)
        ends = (start, start + timedelta(seconds=town.random.randrange(60, 2000)))
        stations = [town.random.choice(town.stations) for _ in ends]
        rows.append([f"T{place:03d}", "", stations[0], "", stations[1]])
        when.append(list(ends))
        for target, at, station in zip(("entries", "exits"), ends, stations, strict=True):
            counts = truth.setdefault((station, town.utc(at.replace(second=0))), {"entries": 0, "exits": 0})
            counts[target] = (counts[target] or 0) + 1
    answers = {"time": ((names[1],), (names[3],)), "station": (names[2], names[4]), "count": ("none",)}
    return Export(town, names, rows, [1, 3], when, [], truth, answers, zeros=True, clocked=True)


SHAPES: Sequence[Callable[[Town], Export]] = (two_columns, one_count, directed, fares, taps, trips)


def column_per_interval(town: Town) -> Export:
    """One row per station, day and direction, a column per interval."""
    records = town.records()
    ways = town.random.choice(DIRECTIONS.get(town.language, DIRECTIONS["en"]))
    slots = sorted({at.time() for _, at, _, _ in records})
    form = town.random.choice(("%H:%M", "%H%M", "%H:%M:%S"))
    names = [town.word("station"), town.word("date"), town.word("direction"), *(t.strftime(form) for t in slots)]
    held = {(s, at): counts for s, at, *counts in records}
    rows = [
        [s, f"{day:%Y-%m-%d}", ways[way], *(str(held[s, datetime.combine(day, t)][way]) for t in slots)]
        for day in sorted({at.date() for _, at, _, _ in records})
        for s in town.stations
        for way in (0, 1)
    ]
    answers = {"entries": f"{names[2]}={ways[0]}", "exits": f"{names[2]}={ways[1]}", "station": (names[0],)}
    truth = _truth(town, records, "entries", "exits")
    said = [f"columns {form}", f"direction {'/'.join(ways)}"]
    return Export(town, names, rows, [], [[] for _ in rows], list(range(3, len(names))), truth, answers, said=said)


def column_per_station(town: Town) -> Export:
    """One row per interval, a column per station."""
    records = town.records()
    names = [town.word("time"), *town.stations]
    held = {(s, at): ins for s, at, ins, _ in records}
    moments = sorted({at for _, at, _, _ in records})
    rows = [["", *(str(held[s, at]) for s in town.stations)] for at in moments]
    answers = {"time": ((names[0],),)}
    truth = _truth(town, records, "entries")
    return Export(town, names, rows, [0], [[at] for at in moments], list(range(1, len(names))), truth, answers)


WIDE: Sequence[Callable[[Town], Export]] = (column_per_interval, column_per_station)
