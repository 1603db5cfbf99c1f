"""The entry point: register every command, and turn named errors into one line and an exit code."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from typing import NoReturn

from flows.leave import leave
from tasks.arrow_start import start_arrow_without_pandas

MODULES = ("deploy", "init", "loop", "machine", "override", "serve", "tune")
"""They register commands when they are imported."""
QUICK = {"ingest": "loop", "backfill": "loop", "forecast": "loop", "serve": "serve"}
"""Commands that are started often, with the one module that each needs; none hands pyarrow a frame of pandas."""
QUICK_START = {"OPENBLAS_NUM_THREADS": "1", "PYDANTIC_DISABLE_PLUGINS": "__all__"}
"""Their matrices are small, and a search of all packages for plugins of pydantic takes as long as reading settings."""


def run() -> NoReturn:
    """The console script: `main`, and then the end of the process."""
    try:
        main()
    except SystemExit as end:
        leave(end.code if isinstance(end.code, int) else int(end.code is not None))
    leave(0)


def main() -> None:
    """Run the command line: exit code 0 done, 1 failed, 2 bad usage or configuration."""
    quick = QUICK.get(sys.argv[1]) if len(sys.argv) > 1 else None
    if quick is not None:
        for name, value in QUICK_START.items():
            os.environ.setdefault(name, value)
        start_arrow_without_pandas()
    gc.disable()  # nothing that is imported is ever given up
    for name in MODULES if quick is None else (quick,):
        importlib.import_module(f"flows.cli.{name}")
    from flows.cli.app import app
    from flows.cli.output import say_error
    from tasks.errors import NexthourError

    gc.freeze()
    gc.enable()
    try:
        app(prog_name="nexthour")
    except NexthourError as error:
        say_error(f"nexthour: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        say_error("nexthour: interrupted; what was written stays, run it again to go on")
        sys.exit(130)
