"""What `[[channels]]` may say, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.errors import ConfigError
from tasks.settings.toml_file import load_settings
from tasks.settings.tree import Settings

RAIN = '[[channels]]\nname = "rain"\npath = "weather/*.parquet"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "nexthour.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_channel_needs_a_name_and_a_path_that_stands_beside_the_configuration(tmp_path: Path) -> None:
    s3 = '[[channels]]\nname = "match"\npath = "s3://bucket/matches.csv"\ninterval_minutes = 60\n'
    rain, match = load_settings(written(tmp_path, RAIN + s3)).channels
    assert rain.path == str(tmp_path / "weather" / "*.parquet")
    assert (rain.columns, rain.timezone, rain.interval_minutes) == ({}, None, None)
    assert (match.path, match.interval_minutes) == ("s3://bucket/matches.csv", 60)
    assert Settings().channels == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RAIN + "colums = {}\n", "channels.0.colums is an unknown key; did you mean 'columns'?"),
        (RAIN + 'columns = { valeu = "mm" }\n', "channel 'rain': columns.valeu is unknown; did you mean 'value'?"),
        (RAIN + 'timezone = "Europe/Londn"\n', "channel 'rain': time zone 'Europe/Londn' is unknown"),
        (RAIN + "interval_minutes = 0\n", "channels.0.interval_minutes: Input should be greater than or equal to 1"),
        (RAIN + RAIN, r"\[\[channels\]\] names must differ"),
        (RAIN.replace("rain", "exits"), "channel 'exits' has the name of a target"),
        (RAIN.replace("rain", "part"), "channel 'part' has the name of a column of every table"),
        (RAIN.replace('"rain"', '"a rain"'), "channels.0.name: String should match pattern"),
        ('[[channels]]\nname = "rain"\n', "channels.0.path is missing"),
        (
            RAIN + "interval_minutes = 5\n[network]\ninterval_minutes = 15\n",
            "channel 'rain': interval_minutes 5 is less than the network's 15",
        ),
    ],
)
def test_a_mistake_is_one_line_that_names_it(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        load_settings(written(tmp_path, text))
    assert "\n" not in str(caught.value)
