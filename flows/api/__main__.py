"""Serve the data root that the environment names: `python -m flows.api HOST PORT`, as `up` starts it."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import numpy as np

from flows import logs
from flows.api.server import check_address, serve
from tasks.arrow_start import start_arrow_without_pandas
from tasks.errors import NexthourError
from tasks.settings.toml_file import load_settings


def now() -> np.datetime64:
    """The present moment, UTC."""
    return np.datetime64(datetime.now(UTC).replace(tzinfo=None), "us")


def main(host: str, port: int) -> None:
    """Serve until the process is asked to end; an address that cannot be used is one line and an exit code."""
    start_arrow_without_pandas()
    logs.start(verbose=False)
    try:
        settings = load_settings()
        logs.set_up(settings.log)
        check_address(settings, host, port)
    except NexthourError as error:
        logging.getLogger(__name__).error("%s", error)
        sys.exit(error.exit_code)
    serve(settings, host, port, now)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
