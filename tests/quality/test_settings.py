"""The table `[quality]` of the configuration: one clear line for every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.errors import ConfigError
from tasks.settings.toml_file import load_settings

SOURCE = '[[sources]]\nname = "city"\nkind = "simulate"\n'


def load(folder: Path, text: str) -> object:
    path = folder / "nexthour.toml"
    path.write_text(text + "\n" + SOURCE, encoding="utf-8")
    return load_settings(path).quality


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[quality]\nmissing = 0.5", "quality.missing is an unknown key; did you mean 'missing_share'?"),
        ("[quality]\nmissing_share = 1.5", "quality.missing_share: Input should be less than 1"),
        ("[quality]\nranges = { entry = [0, 9] }", "ranges: 'entry' is no target; did you mean 'entries'?"),
        ("[quality]\nranges = { entries = [9, 0] }", "ranges: entries = [9, 0] is empty"),
        ("[quality]\njump_factor = 0", "quality.jump_factor"),
    ],
)
def test_a_mistake_in_the_limits_is_one_clear_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_file_of_stations_is_found_beside_the_configuration(tmp_path: Path) -> None:
    text = '[quality]\nstations_file = "gates/stations.csv"\nranges = { entries = [0, 2000], exits = [0, 1e4] }'
    found = load(tmp_path, text)
    assert found.stations_file == str(tmp_path / "gates/stations.csv")  # type: ignore[attr-defined]
    assert found.ranges == {"entries": (0, 2000), "exits": (0, 10_000)}  # type: ignore[attr-defined]
