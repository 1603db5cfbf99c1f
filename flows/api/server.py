"""Run the reading interface: uvicorn on one core, with uvloop and httptools."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import uvicorn

from flows.api.app import make_app
from flows.api.gate import read_keys
from flows.machine.exposure import is_loopback
from flows.machine.plan import check_free
from tasks.errors import ConfigError
from tasks.settings.tree import Settings

MOST_CONNECTIONS = 1000
IDLE_SECONDS = 30


def check_address(settings: Settings, host: str, port: int) -> None:
    """Whether the interface may listen on an address, and can.

    Raises:
        ConfigError: if others reach it and no keys are asked for; if the keys cannot be used; if the port is taken.
    """
    if not is_loopback(host) and settings.serve.api_keys is None:
        raise ConfigError(
            f'--host {host} opens the interface to a network, which needs [serve] api_keys = "env:NAME" (a key or more)'
        )
    read_keys(settings.serve)
    check_free(host, port, "--port")


def serve(settings: Settings, host: str, port: int, now: Callable[[], np.datetime64]) -> None:
    """Answer requests at an address that was checked, until the process is asked to end."""
    uvicorn.run(
        make_app(settings, now),
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=2048,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=1,
    )
