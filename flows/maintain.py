"""Maintain: prove that the minute table is what the observations say, and sweep what crashes left."""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows import artifacts, compose
from flows.common import begin, run_name


@flow(name="maintain", flow_run_name=run_name, timeout_seconds=3600)
def maintain(
    config: str | None = None,
    data_root: str | None = None,
    sample_days: int = 7,
    as_of: datetime | None = None,
) -> None:
    """Fold recent days anew, hold the minute table against them, mend what differs, sweep stale temporary files.

    Args:
        config: TOML of the network; default deployments/nexthour.toml.
        data_root: folder or URL of the tables; overrides the configuration's.
        sample_days: how many of the newest service days are checked.
        as_of: pretend that it is this moment; default now.
    """
    settings, moment = begin(config, data_root, as_of)
    report = compose.maintain(settings, moment, sample_days)
    create_markdown_artifact(
        artifacts.maintain_markdown(report), key="maintain", description="Whether the tables agree"
    )
