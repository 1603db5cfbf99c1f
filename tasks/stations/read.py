"""Read a station file by its content: our CSV, GTFS stops.txt (alone or in its zip), GBFS station_information.json."""

from __future__ import annotations

import csv
import io
import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from tasks.errors import ConfigError
from tasks.stations.entries import Entry, EntryReader
from tasks.stations.ids import IdMap
from tasks.stations.table import StationTable

MAX_BYTES = 64 << 20
MAX_STATIONS = 200_000
MAX_COLUMNS = 200
COLUMNS = ("station_id", "name", "latitude", "longitude", "line", "zone", "capacity")
_DELIMITERS = (",", ";", "\t", "|")
_WANTED = "give a CSV with station_id and name, GTFS stops.txt (or the zip of GTFS), or GBFS station_information.json"
_ZIP, _STOPS = b"PK\x03\x04", "stops.txt"
_KINDS = ((_ZIP, "a zip archive within another"), (b"\x1f\x8b", "packed"), (b"PAR1", "Parquet"))
_STEPS = 3  # from a boarding area over its platform to its station


def read_station_file(path: Path, aliases: Mapping[str, str]) -> StationTable:
    """The table of a file; ids go through `aliases` as those of sources do.

    Raises:
        ConfigError: one line, if the file is none of the three kinds, is too large, or names a station twice.
    """
    where = f"[stations] file {path}"
    try:
        with path.open("rb") as file:
            return read_stations(where, str(path), file, aliases)
    except OSError as error:
        raise ConfigError(f"{where} cannot be read: {error.strerror or error}") from None


def read_stations(where: str, origin: str, file: BinaryIO, aliases: Mapping[str, str]) -> StationTable:
    """The table of an open file, which `where` calls in messages and `origin` in the table; see `read_station_file`."""
    packed = file.read(len(_ZIP)) == _ZIP
    file.seek(0)
    data = _stops_of(where, file) if packed else file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{where} is larger than {MAX_BYTES >> 20} MiB: {_WANTED}")
    text = _decode(where, data)
    reader = EntryReader(where, IdMap(aliases))
    entries, notes = (_gbfs(where, text), ()) if text.lstrip()[:1] in ("{", "[") else _table(where, text)
    stations = reader.read(_limit_entries(where, entries))
    if not stations:
        raise ConfigError(f"{where} holds no station: {_WANTED}")
    return StationTable(stations, origin, (*notes, *reader.notes()))


def _stops_of(where: str, file: BinaryIO) -> bytes:
    """Content of stops.txt of a zip of GTFS, little more than `MAX_BYTES` at the most.

    Raises:
        ConfigError: if it is no such archive, is damaged or has a password.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            found = [name for name in archive.namelist() if PurePosixPath(name).name == _STOPS]
            if len(found) != 1:
                many = f"{len(found)} members called" if found else "no"
                raise ConfigError(f"{where} is a zip archive or a workbook with {many} {_STOPS}: {_WANTED}")
            with archive.open(found[0]) as member:
                return member.read(MAX_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ConfigError(f"{where} is a zip archive whose {_STOPS} cannot be read: {error}: {_WANTED}") from None


def _decode(where: str, data: bytes) -> str:
    for start, kind in _KINDS:
        if data.startswith(start):
            raise ConfigError(f"{where} is {kind}: {_WANTED}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{where} is not text in UTF-8: save it as UTF-8, or {_WANTED}") from None
    if text.lstrip()[:1] == "<":
        raise ConfigError(f"{where} is HTML or XML: {_WANTED}")
    if not text.strip() or "\x00" in text:
        raise ConfigError(f"{where} {'is no text' if text.strip() else 'is empty'}: {_WANTED}")
    return text


def _limit_entries(where: str, entries: Iterator[Entry]) -> Iterator[Entry]:
    for number, entry in enumerate(entries):
        if number >= MAX_STATIONS:
            raise ConfigError(f"{where} holds more than {MAX_STATIONS:,} stations: {_WANTED}")
        yield entry


def _table(where: str, text: str) -> tuple[Iterator[Entry], tuple[str, ...]]:
    """Entries of a CSV, by its header; and what of its header is not used."""
    lines = list(io.StringIO(text, newline=""))
    delimiter = max(_DELIMITERS, key=lines[0].count)
    header = [name.strip() for name in next(_rows(where, lines[:1], delimiter), (1, []))[1]]
    known = Counter(name for name in header if name)
    twice = [name for name, count in known.items() if count > 1]
    if twice:
        raise ConfigError(f"{where} has column {twice[0][:80]!r} twice: keep one")
    if len(header) > MAX_COLUMNS:
        raise ConfigError(f"{where} has {len(header):,} columns, more than {MAX_COLUMNS:,}: {_WANTED}")
    if "station_id" in known:
        strange = ", ".join(name for name in known if name not in COLUMNS)[:80]
        notes = (f"columns {strange} are not used: known are {', '.join(COLUMNS)}",) if strange else ()
        return _our_entries(_records(where, lines, delimiter, header)), notes
    if "stop_id" in known and known.keys() & {"stop_name", "stop_lat"}:
        return _gtfs_entries({r["stop_id"].strip(): r for r in _gtfs_rows(where, lines, delimiter, header)}), ()
    what = (
        "a file of GTFS other than stops.txt"
        if known.keys() & {"stop_id", "trip_id", "route_id"}
        else "no station table"
    )
    shown = ", ".join(header)[:80]
    raise ConfigError(f"{where} is {what} (its first line is {shown!r}): {_WANTED}")


def _rows(where: str, lines: list[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Rows of a CSV with the line that each ends on."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)  # or an open quote would take in all after it
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise ConfigError(f"{where} is no CSV, line {reader.line_num:,}: {error}") from None


def _records(where: str, lines: list[str], delimiter: str, header: list[str]) -> Iterator[dict[str, str]]:
    """Rows as records, with their line as `place`; a row has as many fields as the header, or fewer."""
    rows = _rows(where, lines, delimiter)
    next(rows, None)
    for line, row in rows:
        if len(row) > len(header):
            raise ConfigError(
                f"{where}, line {line:,}, has {len(row)} fields and the header {len(header)}: put names that hold "
                f"{delimiter!r} into quotes"
            )
        padded = [*row, *[""] * (len(header) - len(row))]
        yield {**dict(zip(header, padded, strict=True)), "place": f"line {line:,}"}


def _our_entries(records: Iterator[dict[str, str]]) -> Iterator[Entry]:
    for record in records:
        yield Entry(record["place"], **{name: record[name] for name in COLUMNS if name in record})


def _gtfs_rows(where: str, lines: list[str], delimiter: str, header: list[str]) -> Iterator[dict[str, str]]:
    """Rows of stops.txt.

    Raises:
        ConfigError: if a stop_id stands there twice with different names.
    """
    seen: dict[str, dict[str, str]] = {}
    for record in _records(where, lines, delimiter, header):
        stop, name = record["stop_id"].strip(), record.get("stop_name", "").strip()
        before = seen.setdefault(stop, record)
        if stop and name != before.get("stop_name", "").strip():
            raise ConfigError(
                f"{where} names stop {stop!r} twice: {before.get('stop_name', '').strip()!r} in {before['place']} and "
                f"{name!r} in {record['place']}: keep one"
            )
        yield record


def _gtfs_entries(stops: Mapping[str, dict[str, str]]) -> Iterator[Entry]:
    """Stops with the name of the station that they belong to: people know the station, not its platforms."""
    for stop, record in stops.items():
        top, steps = record, 0
        while (parent := top.get("parent_station", "").strip()) in stops and parent and steps < _STEPS:
            top, steps = stops[parent], steps + 1
        yield Entry(
            record["place"],
            stop,
            top.get("stop_name", "") or record.get("stop_name", ""),
            record.get("stop_lat", ""),
            record.get("stop_lon", ""),
            zone=record.get("zone_id", ""),
        )


def _gbfs(where: str, text: str) -> Iterator[Entry]:
    """Entries of station_information, version 2 (a name is text) or 3 (a list of texts by language, the first counts).

    Raises:
        ConfigError: if it is other JSON.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where} is no valid JSON: {str(error)[:80]}") from None
    data = document.get("data") if isinstance(document, dict) else None
    stations = data.get("stations") if isinstance(data, dict) else None
    if not isinstance(stations, list) or not all(isinstance(each, dict) for each in stations):
        raise ConfigError(f"{where} is JSON without the list data.stations: {_WANTED}")
    if stations and not any("name" in each or "lat" in each for each in stations):
        raise ConfigError(f"{where} holds no name and no place, as station_status.json: {_WANTED}")
    return (_gbfs_entry(number, each) for number, each in enumerate(stations, 1))


def _gbfs_entry(number: int, station: Mapping[str, Any]) -> Entry:
    name = station.get("name")
    if isinstance(name, list):
        texts = [each.get("text") for each in name if isinstance(each, dict)]
        name = next((text for text in texts if isinstance(text, str) and text.strip()), "")
    return Entry(
        f"station {number:,}",
        _text(station.get("station_id")),
        _text(name),
        _text(station.get("lat")),
        _text(station.get("lon")),
        zone=_text(station.get("region_id")),
        capacity=_text(station.get("capacity")),
    )


def _text(value: object) -> str:
    """A text or number of JSON as text; blank for anything else."""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
