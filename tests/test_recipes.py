"""The recipes of CONTRIBUTING.md, followed to the letter in a copy of the code."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^ {3}```(\w+)\n(.*?)^ {3}```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Followed:
    """What the commands of the recipes printed and wrote, and the settings that the copy loads."""

    ingest: dict[str, Any]
    forecast: dict[str, Any]
    root: Path
    channels: int


def blocks() -> list[tuple[str, str]]:
    """Language and text of each code block of the recipes."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return [(language, dedent(text)) for language, text in BLOCK.findall(page)]


def change(folder: Path, text: str) -> None:
    """Apply a change: the `-` lines, found once, become the `+` lines; the last of each may be part of a line."""
    path, *lines = text.splitlines()
    old, new = ("\n".join(line[1:] for line in lines if line[0] == sign) for sign in "-+")
    before = (folder / path).read_text(encoding="utf-8")
    assert before.count(old) == 1, f"{path} does not hold once: {old}"
    (folder / path).write_text(before.replace(old, new), encoding="utf-8")


def write_inputs(folder: Path) -> None:
    """Fifteen days of two stations up to now, and the rain."""
    now = np.datetime64("now", "m") - np.timedelta64(15, "m")  # a minute's interval has ended before it is stated
    minutes = np.arange(now.astype("datetime64[D]") - np.timedelta64(15, "D"), now, np.timedelta64(15, "m"))
    rows = [f"{gate},{minute}Z,{5 + i % 7},0" for gate in "AB" for i, minute in enumerate(minutes)]
    (folder / "gates.csv").write_text("\n".join(["gate,at,people_in,changing", *rows, ""]), encoding="utf-8")
    rain = [f"{minute}Z,{i % 3}" for i, minute in enumerate(minutes)]
    (folder / "rain.csv").write_text("\n".join(["valid_at,mm", *rain, ""]), encoding="utf-8")


def run_python(folder: Path, code: str, *arguments: str) -> str:
    """Standard output of a process that imports the copy."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    folder = tmp_path_factory.mktemp("recipes")
    for package in ("flows", "tasks"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    write_inputs(folder)
    commands: list[list[str]] = []
    for language, text in blocks():
        if language == "sh":
            commands += [line.split() for line in text.splitlines()]
        elif language == "diff":
            change(folder, text)
        else:
            path = text.splitlines()[0].removeprefix("# ")
            assert not (folder / path).exists(), f"{path} is there already"
            (folder / path).write_text(text, encoding="utf-8")
    printed = []
    for name, *arguments in commands:
        assert name == "nexthour"
        printed.append(json.loads(run_python(folder, "from flows.cli.main import main; main()", *arguments)))
    code = (
        "from flows.pipelines.loop import channels; from tasks.settings.toml_file import load_settings;"
        "print(len(channels(load_settings('network.toml'))))"
    )
    ingest, forecast = printed
    return Followed(ingest, forecast, root=folder / "root", channels=int(run_python(folder, code)))


def test_the_recipe_of_a_source_ingests_its_rows(followed: Followed) -> None:
    (source,) = followed.ingest["sources"]
    assert source["rejected"] == 0
    assert source["rows"] > 2 * 14 * 96


def test_the_recipe_of_an_architecture_forecasts(followed: Followed) -> None:
    assert "last_week" in json.dumps(followed.forecast)
    latest = json.loads((followed.root / "publications/latest.json").read_text(encoding="utf-8"))
    assert latest["model_version"] == "last_week"


def test_the_recipe_of_a_quality_check_finds_what_it_looks_for(followed: Followed) -> None:
    assert "nobody was counted in transfers" in json.dumps(followed.ingest["quality"])


def test_the_recipe_of_a_publish_target_publishes_the_issue(followed: Followed) -> None:
    assert re.match(r"[\d,]+ people from 20", (followed.root / "publications/headline.txt").read_text(encoding="utf-8"))


def test_the_recipes_of_a_channel_and_a_target_of_counts_need_settings_only(followed: Followed) -> None:
    assert followed.channels == 1
    latest = json.loads((followed.root / "publications/latest.json").read_text(encoding="utf-8"))
    assert set(latest["totals"]) == {"entries", "transfers"}


def test_the_code_of_the_recipes_is_checked_as_the_code_of_the_project_is(tmp_path: Path) -> None:
    for number, text in enumerate(text for language, text in blocks() if language == "python"):
        (tmp_path / f"recipe_{number}.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "check", "--config", str(ROOT / "pyproject.toml"), str(tmp_path)]
    done = subprocess.run([*command, "--ignore", "D104"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
