"""A command of the terminal, run in the process of the test."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from flows.cli.main import main

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def nexthour(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run one command; gives exit code, stdout and stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["nexthour", *map(str, words)])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        said = capsys.readouterr()
        return code, said.out, said.err

    return run
