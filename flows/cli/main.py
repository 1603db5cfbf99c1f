"""The entry point: register every command, and turn named errors into one line and an exit code."""

from __future__ import annotations

import gc
import sys

from tasks.arrow_start import start_arrow_without_pandas

WITHOUT_PANDAS = ("ingest", "backfill", "forecast", "serve")
"""Commands of which nothing hands pyarrow a frame or a series of pandas."""


def main() -> None:
    """Run the command line: exit code 0 done, 1 failed, 2 bad usage or configuration."""
    if any(name in WITHOUT_PANDAS for name in sys.argv[1:2]):
        start_arrow_without_pandas()
    gc.disable()  # nothing that is imported is ever given up
    from flows.cli import deploy, init, loop, machine, override, serve, tune  # noqa: F401  (they register commands)
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
