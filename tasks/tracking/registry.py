"""Registered versions of the model in MLflow: logged without pickle, aliased, fetched.

The alias `champion` publishes, `previous` is what published before it, `challenger` the newest that was not promoted.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.errors import ModelError
from tasks.settings.tree import Settings
from tasks.tracking.run import Run, Tracking, is_absent

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature

log = logging.getLogger(__name__)

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
BUNDLE_TAG = "bundle"
LOGGED_MODEL = "models:/"
REQUIREMENTS = ("mlflow", "numpy", "onnxruntime", "pandas", "pyarrow", "pydantic", "pydantic-settings", "tzdata")

Arrays = Mapping[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Served:
    """A bundle as MLflow shall serve it.

    Attributes:
        folder: the bundle's files; `bundle.json` names them all.
        loader: module with `_load_pyfunc(folder)`.
        code: package folder that the loader needs, logged with the model.
        example: one batch of inputs by name, batch axis first.
        answer: what the model says to it.
        free_axes: axes of an input or output that may have any length, where it is not only the first.
    """

    folder: Path
    loader: str
    code: Path
    example: Arrays
    answer: Arrays
    free_axes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Version:
    """A registered version.

    Attributes:
        number: as the registry counts.
        model_id: of the logged model behind it.
    """

    number: str
    model_id: str | None


def log_version(
    run: Run, settings: Settings, served: Served, tags: Mapping[str, str], description: str, label: str | None = None
) -> Version:
    """Log a model into a run and register it; a run that has a version of the same bundle keeps it.

    Args:
        run: an open run.
        settings: the tree.
        served: bundle, loader and example.
        tags: tags of the version.
        description: markdown.
        label: name of the logged model in MLflow's list of models; that of the registered model by default.
    """
    import mlflow

    client, name = run.tracking.client, settings.mlflow.registered_model
    digest = hashlib.sha256((served.folder / "bundle.json").read_bytes()).hexdigest()[:16]
    known = [v for v in client.search_model_versions(f"run_id = '{run.run_id}'") if v.tags.get(BUNDLE_TAG) == digest]
    if known:
        version = Version(str(known[0].version), model_id_of(known[0]))
    else:
        info = mlflow.pyfunc.log_model(
            name=re.sub(r"[/:.%\"']", "", label or name),
            loader_module=served.loader,
            data_path=str(served.folder),
            code_paths=[str(served.code)],
            signature=_signature(served),
            input_example={key: np.asarray(value) for key, value in served.example.items()},
            pip_requirements=[f"{package}=={installed(package)}" for package in REQUIREMENTS],
        )
        version = Version(str(mlflow.register_model(info.model_uri, name).version), info.model_id)
    describe_version(run.tracking, settings, version.number, description)
    for key, value in {**tags, BUNDLE_TAG: digest}.items():
        client.set_model_version_tag(name, version.number, key, value)
    return version


def describe_version(tracking: Tracking, settings: Settings, version: str, description: str) -> None:
    """Set what a version's page says, markdown."""
    tracking.client.update_model_version(settings.mlflow.registered_model, version, description=description[:5000])


def model_id_of(version: ModelVersion) -> str | None:
    """Id of the logged model that a version was registered from; SQL stores keep it in the source alone."""
    source = str(version.source)
    return source.removeprefix(LOGGED_MODEL) if source.startswith(f"{LOGGED_MODEL}m-") else None


def describe_model(tracking: Tracking, settings: Settings, description: str) -> None:
    """Say on the registered model's page what it is, once."""
    name = settings.mlflow.registered_model
    if not tracking.client.get_registered_model(name).description:
        tracking.client.update_registered_model(name, description)


def set_alias(tracking: Tracking, settings: Settings, alias: str, version: str) -> None:
    """Point an alias at a version."""
    tracking.client.set_registered_model_alias(settings.mlflow.registered_model, alias, version)


def set_champion(tracking: Tracking, settings: Settings, version: str, previous: str | None) -> None:
    """Point `champion` at a version and `previous` at the one before it; the champion is no `challenger`.

    Args:
        tracking: an open connection.
        settings: the tree.
        version: that publishes from now on.
        previous: that published before; one that the registry does not know has no alias.
    """
    set_alias(tracking, settings, CHAMPION, version)
    align_aliases(tracking, settings, version, previous)


def align_aliases(tracking: Tracking, settings: Settings, version: str, previous: str | None) -> None:
    """Let the other aliases agree with a champion that is set; see `set_champion`."""
    from mlflow.exceptions import MlflowException

    if alias_version(tracking, settings, CHALLENGER) == version:
        drop_alias(tracking, settings, CHALLENGER)
    if previous is None or previous == version or not previous.isdecimal():
        drop_alias(tracking, settings, PREVIOUS)
        return
    try:
        set_alias(tracking, settings, PREVIOUS, previous)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        drop_alias(tracking, settings, PREVIOUS)


def drop_alias(tracking: Tracking, settings: Settings, alias: str) -> None:
    """Take an alias away; one that is not there is fine."""
    if alias_version(tracking, settings, alias) is not None:
        tracking.client.delete_registered_model_alias(settings.mlflow.registered_model, alias)


def alias_version(tracking: Tracking, settings: Settings, alias: str) -> str | None:
    """Number of the version that an alias points to, None where there is none."""
    from mlflow.exceptions import MlflowException

    try:
        return str(tracking.client.get_model_version_by_alias(settings.mlflow.registered_model, alias).version)
    except MlflowException as error:
        if is_absent(error):
            return None
        raise


def fetch_bundle(tracking: Tracking, settings: Settings, version: str, folder: Path) -> Path:
    """Download a version's bundle into an empty folder; returns where its files lie.

    Raises:
        ModelError: if the version holds no bundle.
    """
    import mlflow

    name = settings.mlflow.registered_model
    at = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{version}", dst_path=str(folder)))
    found = sorted(at.rglob("bundle.json"))
    if not found:
        raise ModelError(
            f"version {version} of {name} at {tracking.uri} holds no bundle: promote one that a retrain made"
        )
    return found[0].parent


def _signature(served: Served) -> ModelSignature:
    """Tensor signature: dtype and shape of every array, -1 for its free axes."""
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    def schema(arrays: Arrays) -> Schema:
        return Schema([TensorSpec(array.dtype, shape(name, array), name) for name, array in arrays.items()])

    def shape(name: str, array: np.ndarray[Any, Any]) -> tuple[int, ...]:
        free = served.free_axes.get(name, (0,))
        return tuple(-1 if i in free else size for i, size in enumerate(array.shape))

    return ModelSignature(schema(served.example), schema(served.answer))
