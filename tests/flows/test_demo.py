"""The configuration that a demonstration makes of what it is given, and leaves behind."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.demo import write_config
from tasks.errors import ConfigError
from tasks.settings.sources.simulate import SimulateSource
from tasks.settings.toml_file import load_settings


def counts(path: Path, every: int, **columns: list[int]) -> str:
    minutes = np.datetime64("2024-03-05T05:00", "m") + np.arange(60) * every
    table = {"station_id": ["A"] * 60, "minute": pa.array(minutes.astype("datetime64[us]")), **columns}
    pq.write_table(pa.table(table), path)
    return str(path)


def test_without_a_source_the_city_is_simulated_and_the_configuration_is_left_in_the_root(tmp_path: Path) -> None:
    settings, path = write_config([], None, None, None, str(tmp_path / "root"))
    assert path == str(tmp_path / "root/nexthour.toml")
    assert settings.sources[0].kind == "simulate"
    assert settings.publish.targets == ("latest_json", "board")
    assert load_settings(data_root=str(tmp_path / "root")) == settings


def test_a_file_becomes_a_source_with_the_interval_and_targets_that_it_shows(tmp_path: Path) -> None:
    file = counts(tmp_path / "a.parquet", 10, entries=[1] * 60)
    settings, _ = write_config([file], "Asia/Shanghai", None, None, str(tmp_path / "root"))
    assert settings.sources[0].model_dump()["path"] == file
    assert settings.network.interval_minutes == 10
    assert settings.network.targets == ("entries",)
    assert settings.network.timezone == "Asia/Shanghai"


def test_several_sources_have_names_of_their_own(tmp_path: Path) -> None:
    files = [counts(tmp_path / f"{n}.parquet", 1, entries=[1] * 60, exits=[0] * 60) for n in "ab"]
    settings, _ = write_config(files, None, None, None, str(tmp_path / "root"))
    assert [s.name for s in settings.sources] == ["counts", "counts2"]
    assert settings.network.interval_minutes == 1


def test_a_configuration_given_is_kept_with_its_paths_made_absolute(tmp_path: Path) -> None:
    (tmp_path / "net.toml").write_text(
        '[network]\ntimezone = "Europe/London"\n[[sources]]\nname = "trips"\nkind = "events"\npath = "trips/*.csv"\n'
        'events = { entries = { time = "t", station_id = "s" } }\n[publish]\ntargets = ["latest_json"]\n'
    )
    settings, path = write_config([], None, None, str(tmp_path / "net.toml"), str(tmp_path / "root"))
    assert settings.network.timezone == "Europe/London"
    assert settings.publish.targets == ("latest_json",)
    assert settings.sources[0].model_dump()["path"] == str(tmp_path / "trips/*.csv")
    assert load_settings(path).data_root == str(tmp_path / "root")


@pytest.mark.parametrize(
    ("sources", "zone", "root", "said"),
    [
        (["nowhere.parquet"], None, "root", "no such file"),
        ([], "Mars/Olympus", "root", "unknown"),
        ([], None, "s3://bucket/root", "folder of this machine"),
    ],
)
def test_what_cannot_be_demonstrated_is_refused_before_anything_is_written(
    tmp_path: Path, sources: list[str], zone: str | None, root: str, said: str
) -> None:
    place = root if "://" in root else str(tmp_path / root)
    with pytest.raises(ConfigError, match=said):
        write_config(sources, zone, None, None, place)
    assert not (tmp_path / "root/nexthour.toml").exists()


def test_the_configuration_of_make_demo_is_the_shipped_network_with_less_to_learn_from() -> None:
    folder = Path(__file__).parents[2] / "deployments"
    demo, shipped = load_settings(folder / "demo.toml"), load_settings(folder / "nexthour.toml")
    assert demo.network == shipped.network
    assert demo.publish.targets == ("latest_json", "board")
    city, shipped_city = demo.sources[0], shipped.sources[0]
    assert isinstance(city, SimulateSource)
    assert isinstance(shipped_city, SimulateSource)
    assert city.stations < shipped_city.stations
    assert demo.retrain.model == shipped.retrain.model
    assert 7 * city.weeks >= demo.retrain.train_days + demo.retrain.holdout_days + 7
    assert "--config deployments/demo.toml" in (folder.parent / "Makefile").read_text()
