"""The entry point: register every command, and turn named errors into one line and an exit code."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line: exit code 0 done, 1 failed, 2 bad usage or configuration."""
    from flows.cli import deploy, init, loop, machine, tune  # noqa: F401  (they register their commands)
    from flows.cli.app import app
    from flows.cli.output import say_error
    from tasks.errors import NexthourError

    try:
        app(prog_name="nexthour")
    except NexthourError as error:
        say_error(f"nexthour: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        say_error("nexthour: interrupted; what was written stays, run it again to go on")
        sys.exit(130)
