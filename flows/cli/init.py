"""Commands for whoever has a file and no configuration yet."""

from __future__ import annotations

from flows.cli import output
from flows.cli.app import AsJson, app


@app.command()
def presets(json: AsJson = False) -> None:
    """List the presets: published kinds of data that a source reads by `preset = "NAME"`."""
    from tasks.settings.presets import presets as known

    lines = [f"{preset.name:28} {preset.title}" for preset in known().values()]
    output.emit([{"name": p.name, "title": p.title} for p in known().values()], json, lines)
