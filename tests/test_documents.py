from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FOLDERS = ("flows/", "tasks/", "tests/", "benchmarks/", "docs/", "deployments/")
PLACEHOLDER = re.compile(r"[*<>{}$…]|\bNAME\b|\.\.\.")


def tracked_pages() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False)
    found = listed.stdout.split() if listed.returncode == 0 else []
    return found or ["README.md"]


def links_of(text: str) -> list[str]:
    targets = [target.split("#")[0] for target in LINK.findall(text)]
    return [target for target in targets if target and "://" not in target and not target.startswith("mailto:")]


def paths_of(text: str) -> list[str]:
    named = [code.split()[0].split(":")[0] for code in CODE.findall(text) if code.strip()]
    return [path for path in named if path.startswith(FOLDERS) and not PLACEHOLDER.search(path)]


every_page = pytest.mark.parametrize("page", tracked_pages())


@every_page
def test_every_relative_link_of_a_page_leads_to_a_file(page: str) -> None:
    place = ROOT / page
    broken = [link for link in links_of(place.read_text(encoding="utf-8")) if not (place.parent / link).exists()]
    assert not broken


@every_page
def test_every_path_that_a_page_names_exists(page: str) -> None:
    missing = [path for path in paths_of((ROOT / page).read_text(encoding="utf-8")) if not (ROOT / path).exists()]
    assert not missing


def test_the_readme_is_a_page() -> None:
    assert 100 <= len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_links_and_paths_are_found_and_placeholders_are_not() -> None:
    text = "[a](docs/a.md#b) [c](https://example.org) `tasks/a.py` `tasks/NAME.py` `tests/*.py` `flows/b.py --host`"
    assert links_of(text) == ["docs/a.md"]
    assert paths_of(text) == ["tasks/a.py", "flows/b.py"]
