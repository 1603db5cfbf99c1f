"""One settings tree: environment over TOML over defaults, and one clear line for every mistake."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from tasks.errors import ConfigError
from tasks.settings.sources.files import CountsSource, EventsSource
from tasks.settings.toml_file import KINDS, config_path, load_settings
from tasks.settings.tree import Settings

Write = Callable[[str], Path]

COUNTS_NETWORK = """
[network]
timezone = "America/Chicago"
country = "US"            # with subdivision: holidays; both optional
subdivision = "IL"
interval_minutes = 1
targets = ["entries", "exits"]

[[sources]]
name = "gates"
kind = "counts"                       # one row a (station, minute)
path = "feed/*.csv.gz"                # CSV, CSV.GZ or Parquet, glob, local or s3://
columns = { station_id = "station_id", minute = "minute", entries = "entries", exits = "exits" }
timezone = "UTC"                      # of times without an offset; default: the network's
"""
EVENTS_NETWORK = """
[[sources]]
name = "trips"
kind = "events"
path = "trips/*.csv.gz"
events = { entries = { time = "started_at", station_id = "start_station_id" }, exits = { time = "ended_at", station_id = "end_station_id" } }
covers = "file"                       # inside a file's first to last minute, silence means zero; or "day", or "declared" with start and end
"""
COUNTS = '[[sources]]\nname = "a"\nkind = "counts"\npath = "x"\n'
EVENTS = '[[sources]]\nname = "a"\nkind = "events"\npath = "x"\n'


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder without `deployments/nexthour.toml`."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a TOML file and give its path."""

    def toml(text: str) -> Path:
        path = tmp_path / "here" / "nexthour.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return toml


def refusal(path: Path | None, data_root: str | None = None) -> str:
    """The one line with which settings are refused."""
    with pytest.raises(ConfigError) as caught:
        load_settings(path, data_root)
    line = str(caught.value)
    assert "\n" not in line
    assert caught.value.exit_code == 2
    return line


def test_every_default_works() -> None:
    settings = load_settings()
    assert settings == Settings()
    assert settings.data_root == ".nexthour"
    assert [source.kind for source in settings.sources] == ["simulate"]
    assert settings.network.targets == ("entries", "exits")


def test_an_empty_file_says_the_same_as_none(write: Write) -> None:
    assert load_settings(write("")) == Settings()


def test_a_folder_of_minute_counts_is_described_in_one_file(write: Write) -> None:
    path = write(COUNTS_NETWORK)
    settings = load_settings(path)
    (source,) = settings.sources
    assert isinstance(source, CountsSource)
    assert source.path == str(path.parent / "feed/*.csv.gz")
    assert source.columns == {"station_id": "station_id", "minute": "minute", "entries": "entries", "exits": "exits"}
    assert (source.timezone, settings.network.timezone) == ("UTC", "America/Chicago")


def test_a_folder_of_trips_is_described_in_one_file(write: Write) -> None:
    (source,) = load_settings(write(EVENTS_NETWORK)).sources
    assert isinstance(source, EventsSource)
    assert source.events["exits"].station_id == "end_station_id"
    assert source.covers == "file"


def test_relative_paths_are_relative_to_the_file_and_urls_and_absolute_ones_stay(write: Write) -> None:
    sources = "".join(COUNTS.replace('"x"', f'"{p}"').replace('"a"', f'"s{n}"') for n, p in enumerate(["../f/*.csv", "/abs/x.csv", "s3://bucket/x"]))  # fmt: skip
    path = write('data_root = "../data"\n' + sources)
    settings = load_settings(os.path.relpath(path))
    root = path.parent.parent
    assert settings.data_root == str(root / "data")
    assert [s.path for s in settings.sources if isinstance(s, CountsSource)] == [
        str(root / "f/*.csv"),
        "/abs/x.csv",
        "s3://bucket/x",
    ]


def test_the_environment_beats_the_file_key_by_key(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write('data_root = "told"\n[retrain]\nseed = 1\ntrain_days = 33\n[network]\ntargets = ["a"]\n')
    monkeypatch.setenv("NEXTHOUR_DATA_ROOT", "from-environment")
    monkeypatch.setenv("NEXTHOUR_RETRAIN__SEED", "2")
    monkeypatch.setenv("NEXTHOUR_NETWORK__TARGETS", '["b", "c"]')
    monkeypatch.setenv("NEXTHOUR_MODELS__NEXT_HOUR_LSTM__UNITS", "9")
    settings = load_settings(path)
    assert settings.data_root == "from-environment"
    assert (settings.retrain.seed, settings.retrain.train_days) == (2, 33)
    assert settings.network.targets == ("b", "c")
    assert settings.models["next_hour_lstm"]["units"] == "9"  # its architecture makes it a number


def test_a_given_data_root_beats_environment_and_file(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXTHOUR_DATA_ROOT", "from-environment")
    assert load_settings(write('data_root = "told"'), "given").data_root == "given"
    assert load_settings(None, "given").data_root == "given"


def test_an_empty_variable_and_the_project_s_other_variables_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXTHOUR_DATA_ROOT", "")
    monkeypatch.setenv("NEXTHOUR_REAL_DATA", "/somewhere")
    assert load_settings() == Settings()


def test_a_data_root_s_own_configuration_is_used_when_none_is_given(tmp_path: Path, write: Write) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "nexthour.toml").write_text('data_root = "."\n[network]\nname = "of the root"\n')
    for given in (str(root), f"file://{root}"):
        settings = load_settings(None, given)
        assert (settings.network.name, settings.data_root) == ("of the root", given)
        assert config_path(None, given) == str(root / "nexthour.toml")
    assert load_settings(write('[network]\nname = "told"'), str(root)).network.name == "told"
    assert load_settings(None, str(tmp_path / "elsewhere")).network.name == "network"


def test_the_environment_names_the_settings_of_a_process_that_is_given_none(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXTHOUR_DATA_ROOT", str(tmp_path))
    (tmp_path / "nexthour.toml").write_text('[network]\nname = "of the root"\n')
    assert (load_settings().network.name, load_settings().data_root) == ("of the root", str(tmp_path))
    named = write('data_root = "elsewhere"\n[network]\nname = "named"')
    monkeypatch.setenv("NEXTHOUR_CONFIG", str(named))
    assert (load_settings().network.name, load_settings().data_root) == ("named", str(tmp_path))
    assert load_settings(write('[network]\nname = "told"')).network.name == "told"
    assert load_settings(None, str(tmp_path / "given")).data_root == str(tmp_path / "given")
    monkeypatch.setenv("NEXTHOUR_CONFIG", "nowhere.toml")
    with pytest.raises(ConfigError, match=r"environment NEXTHOUR_CONFIG: configuration nowhere\.toml is not a file"):
        load_settings()


def test_the_working_folder_s_deployment_is_used_when_nothing_is_given() -> None:
    assert config_path() is None
    Path("deployments").mkdir()
    Path("deployments/nexthour.toml").write_text('data_root = "../data"\n[network]\nname = "deployed"')
    settings = load_settings()
    assert (settings.network.name, settings.data_root) == ("deployed", str(Path("data").absolute()))
    assert load_settings(None, "some/root").network.name == "deployed"


def test_the_project_s_own_configuration_loads() -> None:
    path = Path(__file__).parents[2] / "deployments" / "nexthour.toml"
    settings = load_settings(path)
    assert settings.data_root == str(path.parents[1] / ".nexthour")


def test_settings_cannot_be_changed() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.data_root = "other"  # type: ignore[misc]  # that is what is tested
    with pytest.raises(ValidationError, match="frozen"):
        settings.network.timezone = "UTC"  # type: ignore[misc]  # that is what is tested


@pytest.mark.parametrize(
    ("text", "key", "right"),
    [
        ('datroot = "x"', "datroot", "data_root"),
        ("[netwrk]\n", "netwrk", "network"),
        ('[network]\ntimezon = "UTC"', "network.timezon", "timezone"),
        ("[retrain]\nsed = 1", "retrain.sed", "seed"),
        ("[score]\nband = [5]", "score.band", "bands"),
        (COUNTS + 'timzone = "UTC"', "sources.0.timzone", "timezone"),
        (COUNTS + COUNTS.replace('"a"', '"b"') + 'colums = { minute = "m" }', "sources.1.colums", "columns"),
        (COUNTS + 'columns = { statin_id = "s" }', "columns.statin_id", "station_id"),
        (EVENTS + 'events = { entries = { tme = "t", station_id = "s" } }', "sources.0.events.entries.tme", "time"),
        ('[[sources]]\nname = "a"\nkind = "simulate"\nstation = 5', "sources.0.station", "stations"),
    ],
)
def test_an_unknown_key_at_any_depth_is_rejected_and_the_nearest_named(
    write: Write, text: str, key: str, right: str
) -> None:
    path = write(text)
    line = refusal(path)
    assert line.startswith(f"{path}: ")
    assert key in line
    assert f"did you mean {right!r}?" in line


def test_a_key_that_resembles_none_is_answered_with_all(write: Write) -> None:
    assert "zzz is an unknown key; known are data_root, network, sources" in refusal(write("zzz = 1"))


@pytest.mark.parametrize("key", ["_env_file", "_case_sensitive"])
def test_options_of_the_settings_library_are_unknown_keys_too(write: Write, key: str) -> None:
    assert f"{key} is an unknown key" in refusal(write(f"{key} = true"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("network = 5", "network: "),
        ("[network]\ntimezone = 5", "network.timezone: Input should be a valid string (given 5)"),
        (
            "[network]\ninterval_minutes = 7",
            "network.interval_minutes: Input should be 1, 5, 10, 15, 20, 30 or 60 (given 7)",
        ),
        ('[network]\ntargets = "entries"', "network.targets: "),
        ("[network]\ntargets = []", "network.targets: "),
        ('[network]\ntargets = ["a b"]', "network.targets.0: "),
        ('[network]\ntargets = ["a", "a"]', "names one twice"),
        ('[network]\ntargets = ["station_id"]', "'station_id' is a column of every table"),
        ("[gate]\nconfidence = 2.0", "gate.confidence: Input should be less than 1 (given 2.0)"),
        ("[score]\nbands = [30, 5]", "[score] bands [30, 5] must ascend"),
        ("[score]\nbands = [5, 90]", "[score] bands [5, 90] must ascend within 1 to 60"),
        ("[score]\nbands = []", "[score] bands [] must ascend"),
        ("models = 5", "models: "),
        ("sources = 5", "sources: "),
        ("sources = []", "sources: Tuple should have at least 1 item"),
        ('[sources]\nname = "a"', "sources: Input should be a valid tuple"),
        ('[[sources]]\nname = "a"', "sources.0.kind is missing: known are counts, events, gbfs, http, simulate, sql"),
        ('[[sources]]\nname = "a"\nkind = "count"', "sources.0.kind 'count' is unknown; did you mean 'counts'?"),
        ('[[sources]]\nname = "a"\nkind = "counts"', "sources.0.path is missing"),
        (COUNTS + COUNTS, "[[sources]] names must differ: ['a', 'a']"),
        (COUNTS + "maximum = 0", "sources.0.maximum: Input should be greater than 0 (given 0)"),
        (COUNTS.replace('"a"', '"a b"'), "sources.0.name: "),
        (EVENTS, "sources.0.events is missing"),
        (EVENTS + "events = {}", "sources.0.events: "),
        (EVENTS + 'events = { entries = { time = "t" } }', "sources.0.events.entries.station_id is missing"),
        (EVENTS + 'events = { entris = { time = "t", station_id = "s" } }', "events.entris is no target of [network]"),
        ('data_root = ""', "data_root: "),
    ],
)
def test_a_wrong_value_is_rejected_in_one_line_with_file_and_key(write: Write, text: str, said: str) -> None:
    path = write(text)
    line = refusal(path)
    assert line.startswith(f"{path}: ")
    assert said in line


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('[network]\ntimezone = "Europe/Lodon"', "[network] timezone"),
        (COUNTS + 'timezone = "Europe/Lodon"', "source 'a': timezone"),
    ],
)
def test_an_unknown_time_zone_is_rejected_with_the_nearest(write: Write, text: str, where: str) -> None:
    line = refusal(write(text))
    assert f"{where}: time zone 'Europe/Lodon' is unknown" in line
    assert "Europe/London" in line


@pytest.mark.parametrize(
    ("span", "said"),
    [
        ("", "needs start and end"),
        ("start = 2013-10-01", "needs start and end"),
        ("start = 5\nend = 6", "sources.0.start: Input should be a valid string (given 5)"),
        ('start = "yesterday"\nend = 2013-10-02', "start or end: time 'yesterday' is not ISO 8601"),
        ("start = 2013-10-02\nend = 2013-10-02", "end 2013-10-02 is not after start 2013-10-02"),
    ],
)
def test_a_declared_span_needs_two_moments_in_order(write: Write, span: str, said: str) -> None:
    events = 'covers = "declared"\nevents = { entries = { time = "t", station_id = "s" } }\n'
    assert said in refusal(write(EVENTS + events + span))


def test_a_declared_span_may_be_written_as_toml_dates_and_times(write: Write) -> None:
    events = 'covers = "declared"\nevents = { entries = { time = "t", station_id = "s" } }\n'
    (source,) = load_settings(write(EVENTS + events + "start = 2013-10-01\nend = 2013-10-02T05:00:00Z")).sources
    assert isinstance(source, EventsSource)
    assert (source.start, source.end) == ("2013-10-01", "2013-10-02T05:00:00+00:00")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("NEXTHOUR_RETRAIN__SED", "9", "retrain.sed is an unknown key; did you mean 'seed'?"),
        ("NEXTHOUR_RETRIAN__SEED", "9", "retrian is an unknown key; did you mean 'retrain'?"),
        ("NEXTHOUR_RETRAIN__SEED", "x", "retrain.seed: Input should be a valid integer"),
        ("NEXTHOUR_SOURCES", "[]", "sources: "),
        ("NEXTHOUR_NETWORK__TARGETS", "a,b", "lists and tables are written as JSON"),
        ("NEXTHOUR_NETWORK", "x", "lists and tables are written as JSON"),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(
    write: Write, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    line = refusal(write("[retrain]\nseed = 1"))
    assert line.startswith(f"environment {name}: ")
    assert said in line


def test_a_configuration_that_is_not_there_is_rejected(tmp_path: Path) -> None:
    assert (
        refusal(tmp_path / "none.toml") == f"configuration {tmp_path / 'none.toml'} is not a file: give --config FILE"
    )
    assert "is not a file" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"[network", b"a = 1\na = 2", b"name = \xff\xfe", b"\x00"])
def test_broken_toml_is_rejected_with_its_place(write: Write, content: bytes) -> None:
    path = write("")
    path.write_bytes(content)
    assert refusal(path).startswith(f"{path} is not valid TOML: ")


def test_a_byte_order_mark_is_no_mistake(write: Write) -> None:
    assert load_settings(write('\ufeffdata_root = "/x"')).data_root == "/x"


def test_an_empty_data_root_is_rejected() -> None:
    assert "data_root: String should have at least 1 character" in refusal(None, "")


def test_every_section_and_every_kind_of_source_is_frozen_and_rejects_unknown_keys() -> None:
    assert set(KINDS) == {"counts", "events", "gbfs", "http", "simulate", "sql"}
    sections = [f.annotation for f in Settings.model_fields.values() if isinstance(f.annotation, type)]
    models = [m for m in (*sections, *KINDS.values()) if issubclass(m, BaseModel)]
    assert len(models) >= 10
    for model in models:
        assert model.model_config.get("frozen") is True, model
        assert model.model_config.get("extra") == "forbid", model


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[mlflow]\ntracking_uri = "postgresql://ops:planted@db/mlflow"', "mlflow.tracking_uri"),
        ('data_root = "s3://key:planted@bucket/city"', "data_root"),
    ],
)
def test_a_url_with_a_password_is_refused_in_the_file_and_read_from_the_environment(
    text: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nexthour.toml").write_text(text)
    with pytest.raises(ConfigError, match=rf"{key} holds a password.*environment variable") as caught:
        load_settings(tmp_path / "nexthour.toml")
    assert "planted" not in str(caught.value)
    (tmp_path / "nexthour.toml").write_text("")
    monkeypatch.setenv("NEXTHOUR_MLFLOW__TRACKING_URI", "postgresql://ops:planted@db/mlflow")
    assert "planted" in str(load_settings(tmp_path / "nexthour.toml").mlflow.tracking_uri)
