"""The command that serves what is published and stored."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli import output
from flows.cli.app import Config, DataRoot, app, now, read_settings


@app.command()
def serve(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="Port to listen on; default: [serve] port.")
    ] = None,
    config: Config = None,
    data_root: DataRoot = None,
) -> None:
    """Serve forecasts, history and scores over HTTP, read-only, and the board; Ctrl-C stops it."""
    from flows.api import server

    settings = read_settings(config, data_root)
    chosen = port or settings.serve.port
    server.check_address(settings, host, chosen)
    output.say(f"http://{f'[{host}]' if ':' in host else host}:{chosen}/ (openapi.json, stations, next-hour, board)")
    server.serve(settings, host, chosen, now)
