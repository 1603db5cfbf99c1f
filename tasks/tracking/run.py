"""One run in MLflow, open for logging: parameters, metrics, tables, pictures and the data that it has read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient
    from mlflow.entities import Metric
    from mlflow.exceptions import MlflowException

TRAINING, VALIDATION, HELD_OUT = "training", "validation", "held-out"
"""Contexts of data sets."""


def mlflow_errors() -> tuple[type[Exception], ...]:
    """Errors of MLflow and of the way to it."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, RequestException, SQLAlchemyError


def is_absent(error: MlflowException) -> bool:
    """Whether MLflow says that a version, or an alias, is not there."""
    return error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


@dataclass(frozen=True)
class Tracking:
    """An open connection.

    Attributes:
        client: MLflow's client.
        uri: tracking URI without credentials, for people.
        experiment: id of the experiment of retrainings, or of live metrics.
        pages: address of MLflow's pages, without credentials; None where no server shows them.
    """

    client: MlflowClient
    uri: str
    experiment: str
    pages: str | None = None


@dataclass(frozen=True)
class DataSet:
    """Data that a run has read.

    Attributes:
        name: what it is.
        digest: changes with its content; at most 36 characters.
        context: what it was read for, such as `TRAINING`.
        source: where it lies.
        profile: more about it; JSON-able.
    """

    name: str
    digest: str
    context: str
    source: str
    profile: Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """One run, open for logging."""

    tracking: Tracking
    run_id: str

    @property
    def url(self) -> str | None:
        """Page of the run in the UI; None without a server."""
        if self.tracking.pages is None:
            return None
        page = f"#/experiments/{self.tracking.experiment}/runs/{self.run_id}"
        return f"{self.tracking.pages}/{page}?workflowType=machine_learning"

    def params(self, values: Mapping[str, Any]) -> None:
        """Log parameters, each once; a value too long for MLflow is cut."""
        from mlflow.entities import Param

        known = self.tracking.client.get_run(self.run_id).data.params
        fresh = [Param(key, str(value)[:6000]) for key, value in values.items() if key not in known]
        for start in range(0, len(fresh), 100):
            self.tracking.client.log_batch(self.run_id, params=fresh[start : start + 100])

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        from mlflow.entities import RunTag

        self.tracking.client.log_batch(self.run_id, tags=[RunTag(k, str(v)[:5000]) for k, v in values.items()])

    def metrics(
        self,
        values: Mapping[str, float],
        at: np.datetime64,
        step: int = 0,
        model_id: str | None = None,
        data: DataSet | None = None,
    ) -> None:
        """Log one value per metric; those that are not finite are left out.

        Args:
            values: by metric name.
            at: moment in UTC.
            step: position on the axis.
            model_id: logged model that they are about; its page and the list of models show them.
            data: data set that they were measured on.
        """
        about = {"model_id": model_id}
        if data is not None:
            about |= {"dataset_name": data.name, "dataset_digest": data.digest}
        self._log(_points({name: [value] for name, value in values.items()}, at, [step], about))

    def series(self, values: Mapping[str, Sequence[float]], at: np.datetime64, steps: Sequence[int]) -> None:
        """Log one value per step for every metric; the same series twice is one."""
        self._log(_points(values, at, steps))

    def fill_series(self, values: Mapping[str, Sequence[float]], at: np.datetime64, steps: Sequence[int]) -> None:
        """Log the steps of every metric that the run does not have yet."""
        for name, series in values.items():
            known = self.known_steps(name)
            fresh = [(step, value) for step, value in zip(steps, series, strict=False) if step not in known]
            self.series({name: [value for _, value in fresh]}, at, [step for step, _ in fresh])

    def known_steps(self, metric: str) -> set[int]:
        """Steps that the run has a value of the metric for."""
        return {point.step for point in self.tracking.client.get_metric_history(self.run_id, metric)}

    def text(self, path: str, text: str) -> None:
        """Log a text file."""
        self.tracking.client.log_text(self.run_id, text, path)

    def json(self, path: str, value: Any) -> None:
        """Log a JSON file."""
        self.text(path, json.dumps(value, indent=1, sort_keys=True, default=str) + "\n")

    def figure(self, path: str, figure: Figure) -> None:
        """Log a figure as PNG."""
        self.tracking.client.log_figure(self.run_id, figure, path, save_kwargs={"dpi": 150})

    def inputs(self, data: Sequence[DataSet]) -> None:
        """State which data the run has read."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        read = [
            DatasetInput(
                Dataset(d.name, d.digest, "local", json.dumps({"uri": d.source}), profile=json.dumps(dict(d.profile))),
                [InputTag("mlflow.data.context", d.context)],
            )
            for d in data
        ]
        self.tracking.client.log_inputs(self.run_id, read)

    def _log(self, points: Sequence[Metric]) -> None:
        for start in range(0, len(points), 1000):
            self.tracking.client.log_batch(self.run_id, metrics=points[start : start + 1000])


def _points(
    values: Mapping[str, Sequence[float]],
    at: np.datetime64,
    steps: Sequence[int],
    about: Mapping[str, str | None] | None = None,
) -> list[Metric]:
    """Points of several series; those that are not finite are left out."""
    from mlflow.entities import Metric

    moment = int(at.astype("datetime64[ms]").astype(np.int64))
    return [
        Metric(name, float(value), moment, int(step), **(about or {}))
        for name, series in values.items()
        for step, value in zip(steps, series, strict=False)
        if np.isfinite(value)
    ]
