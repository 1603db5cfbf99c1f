"""Station files: which kinds are read, what is checked, and how wrong ones are rejected."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from tasks.errors import ConfigError
from tasks.settings.toml_file import load_settings
from tasks.settings.tree import Settings
from tasks.stations import read
from tasks.stations.load import load_station_table, station_table
from tasks.stations.read import read_station_file
from tasks.stations.table import Station, StationTable

OURS = "station_id,name,latitude,longitude,line,zone,capacity\n"
GTFS = "stop_id,stop_name,stop_lat,stop_lon,zone_id,location_type,parent_station\n"


def table(folder: Path, content: str | bytes, name: str = "stations.csv", **aliases: str) -> StationTable:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_station_file(path, aliases)


def names(of: StationTable) -> dict[str, str | None]:
    return {station_id: station.name for station_id, station in of.stations.items()}


def test_our_csv_states_all_that_is_known_of_a_station(tmp_path: Path) -> None:
    read_ = table(tmp_path, "\ufeff" + OURS + '72,"Clark, Lake",41.88,-87.63,Blue,1,27\n73,,,,,,\n')
    assert read_.stations == {"72": Station("72", "Clark, Lake", 41.88, -87.63, "Blue", "1", 27), "73": Station("73")}
    assert read_.label("72") == "Clark, Lake (72)"
    assert (read_.label("73"), read_.label("elsewhere")) == ("73", "elsewhere")
    assert read_.find("72").known()["capacity"] == 27
    assert read_.find("73").known() == {}
    assert read_.notes == ()


def test_only_the_id_is_needed_and_columns_come_in_any_order(tmp_path: Path) -> None:
    assert names(table(tmp_path, "name;station_id\nKing's Cross;A\n")) == {"A": "King's Cross"}
    assert names(table(tmp_path, "station_id\nA\nB\n")) == {"A": None, "B": None}


def test_ids_are_those_of_the_data(tmp_path: Path) -> None:
    rows = "station_id,name\n72.0,King\n5379.10,Queen\n007,Bond\nHB101,Ace\n"
    assert names(table(tmp_path, rows, HB101="9")) == {"72": "King", "5379.1": "Queen", "007": "Bond", "9": "Ace"}


def test_an_id_as_the_network_writes_it_comes_before_its_alias(tmp_path: Path) -> None:
    for rows in ("HB101,Old\n72,New\n", "72,New\nHB101,Old\n"):
        assert names(table(tmp_path, "station_id,name\n" + rows, HB101="72")) == {"72": "New"}


def test_one_id_with_two_names_is_rejected_by_name(tmp_path: Path) -> None:
    assert names(table(tmp_path, "station_id,name\n72,King\n72.0,King\n")) == {"72": "King"}
    with pytest.raises(ConfigError, match=r"names station '72' twice: 'King' in line 2 and 'Queen' in line 3: keep"):
        table(tmp_path, "station_id,name\n72,King\n72.0,Queen\n")
    with pytest.raises(ConfigError, match=r"names stop '72' twice: 'King' in line 2 and 'Queen' in line 3"):
        table(tmp_path, "stop_id,stop_name\n72,King\n72,Queen\n")


def test_coordinates_are_checked_and_zero_is_nowhere(tmp_path: Path) -> None:
    rows = "a,A,91,0,,,\nb,B,0,0,,,\nc,C,,10,,,\nd,D,nan,1,,,\ne,E,-90,180,,,\nf,F,0,10.5,,,\n"
    read_ = table(tmp_path, OURS + rows)
    places = {s.station_id: (s.latitude, s.longitude) for s in read_.stations.values()}
    assert places == dict.fromkeys("abcd", (None, None)) | {"e": (-90.0, 180.0), "f": (0.0, 10.5)}
    assert read_.notes == (
        "3 with coordinates that are none (latitude -90 to 90, longitude -180 to 180), first in line 2",
    )


def test_what_is_not_used_is_said(tmp_path: Path) -> None:
    read_ = table(tmp_path, "station_id,name,lat,capacity\nA,Ace,51.5,many\n,Nobody,1,2\n")
    assert read_.stations == {"A": Station("A", "Ace")}
    first, *others = read_.notes
    assert first.startswith("columns lat are not used: known are station_id, name, latitude")
    assert others == [
        "1 with a capacity that is no whole number, first in line 2",
        "1 without a station id, first in line 3",
    ]


def test_a_platform_of_gtfs_has_the_name_of_its_station(tmp_path: Path) -> None:
    rows = (
        "S,Clark/Lake,41.88,-87.63,Z1,1,\n"
        "P1,Clark/Lake platform 1,41.881,-87.631,,0,S\n"
        "B,,41.8,-87.6,,4,P1\n"
        "X,Alone,1,2,,0,gone\n"
        "L,Loop,1,2,,0,L\n"
    )
    read_ = table(tmp_path, GTFS + rows, "stops.txt")
    assert names(read_) == {"S": "Clark/Lake", "P1": "Clark/Lake", "B": "Clark/Lake", "X": "Alone", "L": "Loop"}
    assert read_.find("P1") == Station("P1", "Clark/Lake", 41.881, -87.631)
    assert read_.find("S").zone == "Z1"


def _zip(**members: str) -> bytes:
    """An archive of members by their names, in which a dot is written as `__`, and a slash as `___`."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("___", "/").replace("__", "."), content)
    return out.getvalue()


STOPS = "stop_id,stop_name,stop_lat,stop_lon\n1,Central,51.5,-0.1\n"


def test_stops_of_a_zip_of_gtfs_are_read(tmp_path: Path) -> None:
    for content in (_zip(stops__txt=STOPS, trips__txt="trip_id\n"), _zip(feed___stops__txt=STOPS)):
        assert names(table(tmp_path, content, "gtfs.zip")) == {"1": "Central"}


def test_a_zip_without_stops_or_made_to_do_harm_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content, line in (
        (_zip(trips__txt="trip_id\n"), "with no stops.txt"),
        (_zip(a___stops__txt=STOPS, b___stops__txt=STOPS), "with 2 members called stops.txt"),
        (_zip(stops__txt=STOPS)[:-30], "cannot be read"),
    ):
        with pytest.raises(ConfigError, match=line):
            table(tmp_path, content, "gtfs.zip")
    monkeypatch.setattr(read, "MAX_BYTES", 1 << 20)
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        table(tmp_path, _zip(stops__txt=STOPS + " " * (8 << 20)), "gtfs.zip")


def test_gbfs_names_are_text_or_texts_by_language(tmp_path: Path) -> None:
    old = {"station_id": 72, "name": "W 52 St & 11 Ave", "lat": 40.7, "lon": -73.9, "capacity": 55, "region_id": "71"}
    new = {"station_id": "a", "name": [{"text": "Gare", "language": "fr"}, {"text": "Station", "language": "en"}]}
    strange = {"station_id": "b", "name": {"text": "no"}, "lat": "x", "lon": True}
    document = {"last_updated": 1, "version": "2.3", "data": {"stations": [old, new, strange]}}
    read_ = table(tmp_path, json.dumps(document), "station_information.json")
    assert read_.find("72") == Station("72", "W 52 St & 11 Ave", 40.7, -73.9, None, "71", 55)
    assert names(read_) == {"72": "W 52 St & 11 Ave", "a": "Gare", "b": None}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04rest", "is a zip archive whose stops.txt cannot be read"),
        (b"\x1f\x8brest", "is packed"),
        (b"station_id,name\nA,Gen\xe8ve\n", "is not text in UTF-8: save it as UTF-8"),
        (b"station_id\x00", "is no text"),
        ("<html></html>", "is HTML or XML"),
        ("trip_id,stop_id,stop_sequence\n1,2,3\n", "is a file of GTFS other than stops.txt"),
        ("id,title\n1,2\n", "is no station table \\(its first line is 'id, title'\\)"),
        ("station_id,name\n", "holds no station"),
        ("station_id,name,name\nA,B,C\n", "has column 'name' twice"),
        ("station_id,name\nA,Clark, Lake\n", "line 2, has 3 fields and the header 2: put names that hold ','"),
        ('station_id,name\nA,"' + "x" * 200_000, "is no CSV, line 2"),
        ("station_id" + "".join(f",c{i}" for i in range(100_000)) + "\nA\n", "has 100,001 columns, more than 200"),
        ('station_id,name\nA,"Clark\nB,Lake\nC,Loop\n', "is no CSV, line 4: unexpected end of data"),
        ("{", "is no valid JSON"),
        ("[" * 100_000, "is no valid JSON"),
        ('{"data": {"en": {"feeds": []}}}', "is JSON without the list data.stations"),
        ('{"data": {"stations": [{"station_id": "a", "num_bikes_available": 1}]}}', "no name and no place"),
        ('{"data": {"stations": [1]}}', "is JSON without the list"),
    ],
)
def test_a_wrong_file_is_rejected_in_one_line(tmp_path: Path, content: str | bytes, line: str) -> None:
    with pytest.raises(ConfigError, match=rf"^\[stations\] file .*stations\.csv.*{line}") as caught:
        table(tmp_path, content)
    assert "\n" not in str(caught.value)


def test_size_and_number_of_stations_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "station_id\n" + "".join(f"S{i}\n" for i in range(12))
    monkeypatch.setattr(read, "MAX_STATIONS", 11)
    with pytest.raises(ConfigError, match="holds more than 11 stations"):
        table(tmp_path, rows)
    monkeypatch.setattr(read, "MAX_BYTES", 1 << 20)
    with pytest.raises(ConfigError, match="is larger than 1 MiB"):
        table(tmp_path, rows + " " * (1 << 20))


def test_a_name_is_one_line_without_invisible_characters(tmp_path: Path) -> None:
    bad = 'a,"two\nlines\u202e and\u200b more"\nb,"\x1b[31mred"\nc,' + "x" * 500 + "\nd,=1+1\ne,می\u200cدان\n"
    read_ = names(table(tmp_path, "station_id,name\n" + bad))
    assert read_ == {"a": "two lines and more", "b": "[31mred", "c": "x" * 200, "d": "=1+1", "e": "می\u200cدان"}
    lone = {"data": {"stations": [{"station_id": "a", "name": "x\ud800y"}]}}
    assert names(table(tmp_path, json.dumps(lone))) == {"a": "xy"}


def test_a_changed_file_is_read_again_and_a_missing_one_only_hides_names(tmp_path: Path) -> None:
    config = tmp_path / "network.toml"
    config.write_text('[stations]\nfile = "names.csv"\n')
    settings = load_settings(config)
    assert settings.stations.file == str(tmp_path / "names.csv")
    assert "cannot be read: No such file" in str(station_table(settings).problem)
    (tmp_path / "names.csv").write_text("station_id,name\nA,Ace\n")
    first = load_station_table(settings)
    assert load_station_table(settings) is first
    (tmp_path / "names.csv").write_text("station_id,name\nA,Acorn\n")
    assert station_table(settings).label("A") == "Acorn (A)"


def test_without_a_file_nothing_is_read_and_settings_dump_as_before() -> None:
    assert load_station_table(Settings()).stations == {}
    assert Settings().model_dump()["stations"] == {"aliases": {}}
