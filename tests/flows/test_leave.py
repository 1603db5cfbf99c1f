"""A command ends with its exit code, whatever libraries do when a process is torn down."""

from __future__ import annotations

import subprocess
import sys

import pytest

TORN = (
    "import atexit, ctypes, os, sys\n"
    "class Aborts:\n"
    "    def __del__(self): os.abort()\n"
    "kept = Aborts()\n"
    "atexit.register(lambda: print('registered'))\n"
)
"""A process that aborts when the interpreter takes its modules apart, as some libraries do."""


def play(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", TORN + script, *words], capture_output=True, text=True, check=False)


def test_a_process_that_leaves_does_what_is_registered_and_is_not_torn_down() -> None:
    assert play("pass").returncode == -6
    done = play("from flows.leave import leave\nprint('work', end=' ')\nleave(3)")
    assert (done.returncode, done.stdout) == (3, "work registered\n")


@pytest.mark.parametrize(("words", "code"), [(["presets"], 0), (["ingest", "--config", "nowhere.toml"], 2)])
def test_the_console_script_leaves_with_the_exit_code_of_its_command(words: list[str], code: int) -> None:
    done = play("from flows.cli.main import run\nrun()", *words)
    assert (done.returncode, "registered" in done.stdout) == (code, True), done.stderr
