"""MLflow's server in one process: `python -m tasks.tracking.server ARGUMENTS`, which are those of `mlflow server`.

`mlflow server` stays in memory (250 MB) beside the process that answers, only to wait for it. Here it becomes that
process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mlflow import server
from mlflow.cli import cli


def _become(command: Sequence[str], extra_env: Mapping[str, str], **_: Any) -> None:
    """Replace this process by a command."""
    os.execve(command[0], list(command), {**os.environ, **extra_env})  # noqa: S606  (argument list of MLflow, no shell)


if __name__ == "__main__":
    server._exec_cmd = _become
    cli(["server", *sys.argv[1:]])
