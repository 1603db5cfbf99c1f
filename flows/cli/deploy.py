"""The command `deploy`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli import output
from flows.cli.app import AsJson, Config, DataRoot, app
from tasks.settings.toml_file import config_path, load_settings

if TYPE_CHECKING:
    from flows.machine.deploy import DeployReport, PoolTarget
    from tasks.settings.tree import Settings


@app.command()
def deploy(
    work_pool: Annotated[str, typer.Option("--work-pool", help="Work pool; it is created if it is not there.")],
    kind: Annotated[
        Literal["process", "docker", "kubernetes"] | None,
        typer.Option("--type", help="Type of the pool; default: that of the pool, process for a new one."),
    ] = None,
    image: Annotated[
        str | None, typer.Option("--image", help="Image of the containers, such as nexthour:0.1.0.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option("--write", help="Write a prefect.yaml instead; no server is asked.")
    ] = None,
    finish: Annotated[
        bool, typer.Option("--finish", help="After prefect deploy: add the forms of the runs, and the automations.")
    ] = False,
    config: Config = None,
    data_root: DataRoot = None,
    json: AsJson = False,
) -> None:
    """Register every scheduled flow with the Prefect server at PREFECT_API_URL, for the workers of a work pool."""
    from flows.machine import deploy as deploying

    settings = load_settings(config, data_root)  # the data root may be on the worker alone: it is not opened
    root = data_root or os.environ.get("NEXTHOUR_DATA_ROOT")
    target = deploying.PoolTarget(work_pool, kind, config_path(config, data_root), root, image)
    if write:
        _write(settings, target, write)
        output.emit({"written": str(write)}, json, [f"written {write}"])
        return
    if finish:
        forms, automations = deploying.finish(settings)
        lines = [f"{len(forms)} forms completed", *_automation_lines(automations)]
        output.emit({"forms": forms, "automations": automations}, json, lines)
        return
    report = deploying.deploy(settings, target, output.say)
    output.emit(report, json, _lines(report))


def _write(settings: Settings, target: PoolTarget, path: Path) -> None:
    """Write `prefect.yaml`, with the configuration as seen from the working folder where it lies inside."""
    from dataclasses import replace

    from flows.machine.deploy import secret_names
    from flows.machine.prefect_yaml import to_yaml

    target = replace(target, kind=target.kind or "process")
    target.check()
    if target.config and Path(target.config).is_relative_to(Path.cwd()):
        target = replace(target, config=Path(target.config).relative_to(Path.cwd()).as_posix())
    path.write_text(to_yaml(target, settings.network.timezone, secret_names(settings), path), encoding="utf-8")


def _lines(report: DeployReport) -> list[str]:
    pool = f"work pool {report.pool} ({report.kind})"
    kept = "made" if report.created else "there already, its job template is left as it is"
    lines = [f"{len(report.deployments)} deployments of {report.version} at {report.api}; {pool} {kept}"]
    lines += _automation_lines(report.automations)
    if report.secrets:
        place = {
            "process": "the worker's environment",
            "docker": "Prefect secret blocks of the same names, in lower case with hyphens",
            "kubernetes": "the Secret that the pool names (nexthour)",
        }[report.kind]
        lines.append(f"runs need {', '.join(report.secrets)} from {place}")
    return [*lines, *(f"LEFT {line}" for line in report.leftovers)]


def _automation_lines(changed: list[str]) -> list[str]:
    return [f"automations registered: {', '.join(changed)}"] if changed else []
