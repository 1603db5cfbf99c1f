"""Changes to exports that operators make: how times and numbers are written, how text is laid out, what stands around."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from support.town_exports import SHAPES, WIDE, Export, Row, Town


class Clock(NamedTuple):
    """A way to write a moment: one text, or a date and a time of day."""

    formats: Sequence[str]
    whole: bool = True
    told: str | None = None


CLOCKS = (
    *(Clock((text,)) for text in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S.000")),
    *(Clock((text,), told=text) for text in ("%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%Y%m%d%H%M")),
    *(Clock((text,), told=text) for text in ("%m/%d/%Y %I:%M:%S %p", "%d-%m-%y %H:%M", "%Y/%m/%d %H:%M:%S")),
    *(Clock((text,), told=text) for text in ("%d %b %Y %H:%M", "%b %d, %Y %I:%M %p")),
    *(Clock(pair) for pair in (("%Y-%m-%d", "%H:%M"), ("%Y%m%d", "%H:%M:%S"), ("%Y-%m-%dT00:00:00", "%H:%M"))),
    Clock(("%d/%m/%Y", "%H:%M"), told="%d/%m/%Y %H:%M"),
    Clock(("%m/%d/%Y", "%I:%M %p"), told="%m/%d/%Y %I:%M %p"),
    *(Clock((name,), told=name) for name in ("epoch", "epoch_ms", "offset", "utc")),
)
NOISE: Mapping[str, Callable[[Random, int], str]] = {
    "line": lambda random, _: random.choice(("red", "blue")),
    "latitude": lambda random, _: f"{52 + random.random():.6f}",
    "longitude": lambda random, _: f"{13 + random.random():.6f}",
    "temperature": lambda random, _: f"{random.uniform(-3, 20):.1f}",
    "weekday": lambda random, _: random.choice(("Mon", "Tue")),
    "week": lambda random, _: str(random.choice((11, 12))),
    "row": lambda _, place: str(place + 1),
    "updated_at": lambda random, _: f"2024-04-01T{random.randrange(24):02d}:00:07Z",
    "capacity": lambda _random, _: "30",
    "note": lambda random, _: random.choice(("", "", "ok; see log, twice", 'said "yes"')),
    "minute_of_day": lambda random, _: str(random.randrange(420, 600)),
    "avg_delay": lambda random, _: f"{random.random() * 9:.2f}",
}


class Copy(NamedTuple):
    """Files of a mutated export."""

    files: Mapping[str, bytes]
    export: Export
    encoding: str

    @property
    def said(self) -> str:
        """What was done to it."""
        return ", ".join(self.export.said)


def mutated(seed: int) -> Copy:
    """The export of a town, changed in a few ways that the seed chooses."""
    random = Random(seed)
    export = _export(random)
    _write_times(export, random)
    for change in sorted(random.sample(CHANGES, random.randrange(0, 4)), key=CHANGES.index):
        change(export, random)
    tables = _split(export, random)
    return _files(export, tables, random)


def _export(random: Random) -> Export:
    from support.town_exports import NAMES

    language = random.choice(("en", "en", "us", "de", "fr", "es", "zh", "bare"))
    zone = random.choice(("UTC", "Europe/Paris", "America/New_York", "Asia/Tokyo"))
    stations: Sequence[str] = NAMES[language]
    if random.random() < 0.4:
        stations = random.choice((("72", "81", "119"), ("072", "0081", "119"), ("72.0", "81.0", "119.0")))
    first = random.choice((datetime(2024, 3, 13), datetime(2024, 3, 5), datetime(2023, 11, 30), datetime(2024, 2, 28)))
    busy = random.choice((9, 60, 60, 3000))
    town = Town(random, language, zone, random.choice((1, 5, 10, 15, 15, 30, 60)), stations, first, busy)
    shape = random.choice((*SHAPES, *SHAPES, *WIDE))
    export = shape(town)
    export.said[:0] = [shape.__name__, language, zone, f"{town.minutes} min", f"{first:%d %b}", f"ids {stations[0]}"]
    plain = {station: station.removesuffix(".0") for station in stations}
    export.truth = {(plain[s], at): counts for (s, at), counts in export.truth.items()}
    return export


def _write_times(export: Export, random: Random) -> None:
    """Put moments into their columns, in one of many ways; date and clock part a column in two."""
    if not export.times:
        return
    clock = random.choice(CLOCKS)
    town, at_end = export.town, len(clock.formats) == 1 and not export.clocked and random.random() < 0.15
    ahead = timedelta(minutes=town.minutes) if at_end else timedelta()
    for place in sorted(export.times, reverse=True):
        which = export.times.index(place)
        name = export.names[place]
        texts = [_texts(clock, moments[which] + ahead, town) for moments in export.when]
        for row, text in zip(export.rows, texts, strict=True):
            row[place : place + 1] = text
        if len(clock.formats) == 2:
            names = [name.replace(town.word("time"), town.word(role)) for role in ("date", "clock")]
            names = names if names[0] != names[1] else [names[0], f"{names[1]} 2"]
            export.names[place : place + 1] = names
            groups = [tuple(names) if group == (name,) else group for group in export.answers["time"]]
            export.answers["time"] = tuple(groups)
            export.numbers = [n + 1 if n > place else n for n in export.numbers]
        elif at_end:
            export.names[place] = random.choice(("period ending", "end time", "interval_end"))
            export.answers["time"] = ((export.names[place],),)
    if at_end:
        export.answers["time_is"] = "end"
        export.said.append("names the end")
    if clock.told and clock.told not in ("offset", "utc"):
        export.answers["time_format"] = (clock.told,)
    export.said.append(" | ".join(clock.formats))


def _texts(clock: Clock, at: datetime, town: Town) -> Row:
    from datetime import UTC
    from zoneinfo import ZoneInfo

    aware = at.replace(tzinfo=ZoneInfo(town.zone))
    match clock.formats[0]:
        case "epoch":
            return [str(int(aware.timestamp()))]
        case "epoch_ms":
            return [str(int(aware.timestamp() * 1000))]
        case "offset":
            return [aware.isoformat()]
        case "utc":
            return [f"{aware.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"]
    return [at.strftime(text) for text in clock.formats]


def shuffle_columns(export: Export, random: Random) -> None:
    """Columns in another order."""
    order = list(range(len(export.names)))
    random.shuffle(order)
    export.names = [export.names[i] for i in order]
    export.rows = [[row[i] for i in order] for row in export.rows]
    export.numbers = [order.index(n) for n in export.numbers]
    export.said.append("columns shuffled")


def shuffle_rows(export: Export, random: Random) -> None:
    """Rows in another order."""
    random.shuffle(export.rows)
    export.said.append("rows shuffled")


def add_columns(export: Export, random: Random) -> None:
    """Columns that are neither time, place nor count."""
    for name in random.sample(sorted(NOISE), random.randrange(1, 4)):
        place = random.randrange(len(export.names) + 1)
        export.names.insert(place, name)
        for number, row in enumerate(export.rows):
            row.insert(place, NOISE[name](random, number))
        export.numbers = [n + 1 if n >= place else n for n in export.numbers]
        export.said.append(f"+{name}")


def write_numbers(export: Export, random: Random) -> None:
    """Counts as people write them."""
    styles: Mapping[str, Callable[[int], str]] = {
        "1,204": lambda n: f"{n:,}",
        "1 204": lambda n: f"{n:,}".replace(",", " "),
        "1.204": lambda n: f"{n:,}".replace(",", "."),
        "1'204": lambda n: f"{n:,}".replace(",", "'"),
        "12.0": lambda n: f"{n}.0",
        "12,0": lambda n: f"{n},0",
        "12.00": lambda n: f"{n}.00",
    }
    style = random.choice(sorted(styles))
    for row in export.rows:
        for place in export.numbers:
            row[place] = styles[style](int(row[place]))
    export.said.append(f"numbers {style}")


def withhold(export: Export, random: Random) -> None:
    """A few counts are words; what they stand for is not known."""
    if not export.numbers or "fares" in export.said or export.said[0] not in ("two_columns", "one_count"):
        return
    word = random.choice(("-", "N/A", "<5", "n/d", "", "null", "Moins de 5", "*"))
    targets = ("entries", "exits")
    keys = list(export.truth)
    for place in random.sample(range(len(export.rows)), 3):
        which = random.randrange(len(export.numbers))
        export.rows[place][export.numbers[which]] = word
        export.truth[keys[place]] = {**export.truth[keys[place]], targets[which]: None}
    export.said.append(f"withheld {word!r}")


def repeat_rows(export: Export, random: Random) -> None:
    """Some rows are there twice, which changes nothing where a row is the count of an interval."""
    if export.said[0] in ("two_columns", "one_count", "directed"):
        export.rows += [list(row) for row in random.sample(export.rows, 4)]
        export.answers["rows"] = "last"
        export.said.append("rows repeated")


def total_at_the_end(export: Export, random: Random) -> None:
    """The last row is the sum of all."""
    if not export.numbers:
        return
    sums = {n: str(sum(int(row[n]) for row in export.rows if row[n].isdigit())) for n in export.numbers}
    word = random.choice(("Total", "TOTAL", "Gesamt", "Sum", ""))
    texts = [sums.get(place, "") for place in range(len(export.names))]
    texts[next(i for i in range(len(texts)) if i not in sums)] = word
    export.rows.append(texts)
    export.said.append(f"total {word!r}")


CHANGES: Sequence[Callable[[Export, Random], None]] = (
    write_numbers,
    withhold,
    repeat_rows,
    shuffle_rows,
    shuffle_columns,
    add_columns,
    total_at_the_end,
)


def _split(export: Export, random: Random) -> list[list[Row]]:
    """Rows of each file."""
    how = random.choice(("one", "one", "one", "halves", "by station", "at random"))
    rows = export.rows
    if how == "one" or export.said[0] in ("column_per_station",):
        return [rows]
    export.said.append(f"files {how}")
    if how == "halves":
        return [rows[: len(rows) // 2], rows[len(rows) // 2 :]]
    if how == "by station":
        first = export.town.stations[0]
        parts = [[row for row in rows if first in row], [row for row in rows if first not in row]]
    else:
        lots = [random.randrange(2) for _ in rows]
        parts = [[row for row, lot in zip(rows, lots, strict=True) if lot == which] for which in (0, 1)]
    return [part for part in parts if part]


def _files(export: Export, tables: Sequence[Sequence[Row]], random: Random) -> Copy:
    kind = random.choice(("csv",) * 8 + ("jsonl", "json", "xlsx", "parquet"))
    encoding = "utf-8"
    if kind == "csv":
        layout = _Layout.of(export, random)
        encoding = layout.encoding
        contents = [layout.text(export.names, rows) for rows in tables]
    else:
        export.said.append(kind)
        contents = [_WRITERS[kind](export, rows) for rows in tables]
    named = {f"export_{number}.{kind}": content for number, content in enumerate(contents, 1)}
    return Copy(_packed(named, export, random), export, encoding)


class _Layout(NamedTuple):
    """How CSV is laid out."""

    delimiter: str
    encoding: str
    end: str
    quoted: bool
    above: Sequence[str]
    below: Sequence[str]
    blank_lines: bool
    blank_column: bool
    header_again: bool

    @classmethod
    def of(cls, export: Export, random: Random) -> _Layout:
        encoding = random.choice(("utf-8",) * 3 + ("utf-8-sig", "utf-16", "latin-1", "cp1252", "gb18030"))
        text = "".join([*export.names, *(cell for row in export.rows for cell in row)])
        try:
            text.encode(encoding)
        except UnicodeEncodeError:
            encoding = "utf-8"
        odd = random.random() < 0.25
        layout = cls(
            delimiter=random.choice((",", ",", ";", "\t", "|")),
            encoding=encoding,
            end=random.choice(("\n", "\n", "\r\n")),
            quoted=random.random() < 0.3,
            above=random.choice(((), ("Ridership export", ""), ("Report 2024;x", "made by us"))) if odd else (),
            below=random.choice(((), ("Source: operator",), ("", "(12 rows)"))) if odd else (),
            blank_lines=random.random() < 0.1,
            blank_column=random.random() < 0.1,
            header_again=random.random() < 0.08,
        )
        export.said += [f"{key} {value!r}" for key, value in layout._asdict().items() if value not in (False, (), "\n")]
        return layout

    def text(self, names: Row, rows: Sequence[Row]) -> bytes:
        out = io.StringIO()
        quoting: Literal[0, 1] = csv.QUOTE_ALL if self.quoted else csv.QUOTE_MINIMAL
        writer = csv.writer(out, delimiter=self.delimiter, lineterminator=self.end, quoting=quoting)
        tail = [""] if self.blank_column else []
        out.writelines(f"{line}{self.end}" for line in self.above)
        for number, row in enumerate([names, *rows]):
            if self.header_again and number == 1 + len(rows) // 2:
                writer.writerow([*names, *tail])
            writer.writerow([*row, *tail])
            if self.blank_lines and number % 5 == 3:
                out.write(self.end)
        out.writelines(f"{line}{self.end}" for line in self.below)
        return out.getvalue().encode(self.encoding)


def _json_rows(export: Export, rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [dict(zip(export.names, row, strict=True)) for row in rows]


def _jsonl(export: Export, rows: Sequence[Row]) -> bytes:
    return "\n".join(json.dumps(row) for row in _json_rows(export, rows)).encode()


def _json(export: Export, rows: Sequence[Row]) -> bytes:
    return json.dumps(_json_rows(export, rows), ensure_ascii=False).encode()


def _xlsx(export: Export, rows: Sequence[Row]) -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (export.names, *rows):
        sheet.append([int(cell) if cell.isdigit() and len(cell) < 10 and cell[0] != "0" else cell for cell in row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _parquet(export: Export, rows: Sequence[Row]) -> bytes:
    table = pa.table([pa.array(column) for column in zip(*rows, strict=True)], names=export.names)
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


_WRITERS: Mapping[str, Callable[[Export, Sequence[Row]], bytes]] = {
    "jsonl": _jsonl,
    "json": _json,
    "xlsx": _xlsx,
    "parquet": _parquet,
}


def _packed(files: Mapping[str, bytes], export: Export, random: Random) -> Mapping[str, bytes]:
    how = random.choice(("",) * 5 + ("gz", "zip", "bz2"))
    if not how:
        return files
    export.said.append(how)
    if how == "zip":
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name, content in files.items():
                archive.writestr(f"export/{name}", content)
        return {"export.zip": out.getvalue()}
    pack = gzip.compress if how == "gz" else bz2.compress
    return {f"{name}.{how}": pack(content) for name, content in files.items()}
