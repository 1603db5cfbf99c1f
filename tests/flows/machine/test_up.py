"""What `up` says before it starts anything."""

from __future__ import annotations

from pathlib import Path

from flows.cli.output import visible
from flows.machine.supervise import Supervisor
from flows.machine.up import addresses


def test_every_address_is_a_line_of_its_own(tmp_path: Path) -> None:
    lines = [visible(line) for line in addresses(Supervisor([], {}, tmp_path, print), "127.0.0.1", 4200, 5000)]
    assert lines == ["Prefect  http://127.0.0.1:4200", "MLflow   http://127.0.0.1:5000", f"logs     {tmp_path}"]
