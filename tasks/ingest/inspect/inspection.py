"""Look at files, understand them, and try what was understood with the ingest itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tasks.ingest.inspect.answers import Answers, Question
from tasks.ingest.inspect.merge import merge
from tasks.ingest.inspect.promise import Promise, promise
from tasks.ingest.inspect.proposal import Proposal
from tasks.ingest.inspect.propose import propose
from tasks.ingest.inspect.samples import Sample, found_files, take_samples
from tasks.settings.presets import find_preset


@dataclass(frozen=True)
class Inspection:
    """What was understood of files, and what lands of them.

    Attributes:
        files: how many there are.
        looked_at: how many of them were looked at.
        source: keys of the `[[sources]]` table, without name and path.
        network: keys of `[network]`.
        stations: keys of `[stations]`.
        questions: that must be answered first; while there are some, nothing was tried.
        notes: what was understood, by subject.
        promise: what the ingest makes of the files that were looked at.
    """

    files: int
    looked_at: int
    source: Mapping[str, Any] = field(default_factory=dict)
    network: Mapping[str, Any] = field(default_factory=dict)
    questions: Sequence[Question] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    promise: Promise | None = None
    stations: Mapping[str, Any] = field(default_factory=dict)


def inspect_files(
    paths: Sequence[str], answers: Answers, keys: Mapping[str, Any], preset: str | None, as_of: np.datetime64
) -> Inspection:
    """Understand files, or say what must be asked.

    Args:
        paths: files, folders and globs.
        answers: what the user stated about their meaning.
        keys: keys of the source that say how they are laid out, as far as they are given.
        preset: that they are of; nothing is asked then but the time zone.
        as_of: now, UTC.

    Raises:
        ConfigError: if an answer does not fit the files.
        SourceError: if they cannot be read.
    """
    files = found_files(paths)
    if preset:
        return _by_preset(preset, answers, keys, [file.origin for file in files], as_of)
    tables, asked = take_samples(files, keys)
    samples = [sample for table in tables for sample in table.samples]
    found = Proposal(questions=asked) if asked else merge(tables, [propose(table, answers) for table in tables])
    if found.questions:
        return Inspection(len(files), len(samples), {}, {}, found.questions, found.notes)
    shape = tables[0].shape
    notes = {"layout": _layout(samples[0], shape), **found.notes}
    with TemporaryDirectory() as folder:
        tried = dict.fromkeys(sample.path(Path(folder)) for sample in samples)
        made = promise(found.source, found.network, list(tried), as_of, found.stations)
    return Inspection(len(files), len(samples), found.source, found.network, (), notes, made, found.stations)


def _layout(sample: Sample, shape: Mapping[str, Any]) -> str:
    """How the files are laid out, in words."""
    parts = [f"{key} {value}" for key, value in shape.items()]
    columns = f"{len(sample.rows.names)} columns"
    return ", ".join([columns, *(parts or ["UTF-8 or Parquet, with a header"])])


def _by_preset(
    name: str, answers: Answers, keys: Mapping[str, Any], paths: Sequence[str], as_of: np.datetime64
) -> Inspection:
    preset = find_preset(name)
    zone = answers.timezone or preset.source.get("timezone")
    if zone is None:
        text = f"Preset {name} has times without an offset: which time zone's clocks do they show?"
        return Inspection(len(paths), 0, questions=[Question("--timezone", text, [("Europe/London", "for example")])])
    source = {"preset": name, **keys}
    network = {"interval_minutes": 1, "targets": ["entries", "exits"], **preset.network, "timezone": zone}
    if answers.interval:
        network["interval_minutes"] = answers.interval
    made = promise(source, network, paths, as_of)
    return Inspection(len(paths), len(paths), source, network, (), {"preset": preset.title}, made)
