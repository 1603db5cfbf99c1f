"""The quick selection holds what it promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support import quick

INTRUDERS = {
    "imports tensorflow": "import tensorflow",
    "spawns a process": "import subprocess; subprocess.run(['true'])",
    "starts a server": "import socket; socket.socket().bind(('127.0.0.1', 0))",
}


def test_every_slow_test_that_is_listed_exists() -> None:
    for entry in quick.SLOW:
        path, _, name = entry.partition("::")
        text = (quick.TESTS / path).read_text(encoding="utf-8")
        assert f"def {name}(" in text or not name, entry


def test_the_quick_selection_imports_no_tensorflow(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--quick"):
        assert "tensorflow" not in sys.modules


@pytest.mark.slow
@pytest.mark.parametrize("act", INTRUDERS)
def test_a_test_of_the_quick_selection_that_is_slow_fails_and_names_the_list(tmp_path: Path, act: str) -> None:
    (tmp_path / "conftest.py").write_text((quick.TESTS / "conftest.py").read_text(encoding="utf-8"), encoding="utf-8")
    body = f"def test_that_is_slow():\n    {INTRUDERS[act]}\n"
    slow = f"import pytest\n\n@pytest.mark.slow\ndef test_that_says_so():\n    {INTRUDERS[act]}\n"
    (tmp_path / "test_intruder.py").write_text(body, encoding="utf-8")
    (tmp_path / "test_marked.py").write_text(slow, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {quick.TESTS}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "--quick", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert f"test_that_is_slow {act}: list it in SLOW of tests/support/quick.py" in done.stdout
    assert "1 failed, 1 deselected" in done.stdout
