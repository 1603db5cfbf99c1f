"""How fast networks train here: beside PyTorch, waiting for input, on another backend.

    python benchmarks/training.py [--rival-python PYTHON] [--backend jax --backend-python PYTHON]
                                  [--stations 20] [--weeks 20] [--repeats 7] [--json FILE]

Always: one training of `next_hour_lstm` on a made-up network, its rows a second, and the share of a step that its fit
waits for input.
With a rival: windows a second of an LSTM with 100 units over 14 steps of 120 inputs, by the project's own fit and by a
plain PyTorch loop, both warm, epoch by epoch in turn, two threads each. Wall clock is shared with whatever else the
machine does, which is why the processor's seconds stand beside it.
With a backend and a Python that has it (`training_backend.py` tells what else): nothing but the default network
trained four epochs on it and on TensorFlow; it fails if their best losses are more than 2 % apart.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
from common import save
from made_up import city

from tasks.contracts import FitLog
from tasks.features.tensors import MinuteFeatures
from tasks.model.architectures import next_hour_lstm
from tasks.model.networks.fit import FitRows, Plan, compile_network, fit_network, make_batches, seed_everything
from tasks.model.networks.keras_runtime import unroll
from tasks.model.networks.sequence import SequenceShape, build_sequence
from tasks.model.training.train import train
from tasks.settings.tree import Settings

UNITS, STEPS, INPUTS, ROWS = 100, 14, 120, 16_384
BATCHES = (256, 1024)
THREADS = 2
SAME_LOSS = 0.02
Took = tuple[float, float]
"""Seconds of an epoch: wall clock, processor."""


def timed(work: Callable[[], object]) -> Took:
    """What some work takes."""
    wall, cpu = perf_counter(), process_time()
    work()
    return perf_counter() - wall, process_time() - cpu


def in_turn(sides: dict[str, Callable[[], Took]], repeats: int) -> dict[str, list[Took]]:
    """Each side's seconds, one epoch of each after the other; a first round, which warms both up, is dropped."""
    took: dict[str, list[Took]] = {name: [] for name in sides}
    for turn in range(repeats + 1):
        for name, side in sides.items():
            one = side()
            if turn:
                took[name].append(one)
    return took


class Rival:
    """PyTorch in its own environment."""

    def __init__(self, python: str) -> None:
        words = [python, str(Path(__file__).with_name("training_rival.py"))]
        sizes = {"--units": UNITS, "--steps": STEPS, "--inputs": INPUTS, "--rows": ROWS}
        words += [str(word) for pair in sizes.items() for word in pair]
        calm = os.environ | {"OMP_WAIT_POLICY": "passive"}  # spinning threads would lose on a shared machine
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=calm)

    def epoch(self, batch: int) -> Took:
        """One epoch with that batch."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{batch}\n")
        self.process.stdin.flush()
        wall, cpu = self.process.stdout.readline().split()
        return float(wall), float(cpu)

    def close(self) -> None:
        """Let it end."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def ours(batch: int) -> Callable[[], Took]:
    """One epoch of the same network by the project's fit."""
    import keras

    rng = np.random.default_rng(0)
    series = rng.normal(size=(ROWS, STEPS, INPUTS)).astype(np.float32)
    rows = FitRows({"series": series}, rng.normal(size=(ROWS, 1, 1)).astype(np.float32), np.ones(ROWS, np.float32))
    model = build_sequence(SequenceShape(STEPS, INPUTS), [UNITS])
    compile_network(model, "mse", keras.optimizers.Adam())
    unroll(model)  # as `fit_network` does for a fit of this length

    def epoch() -> Took:
        order = rng.permutation(ROWS)
        return timed(lambda: model.fit(make_batches(rows, batch, order), epochs=1, shuffle=False, verbose=0))

    return epoch


def beside_pytorch(python: str, repeats: int) -> dict[str, Any]:
    """Windows a second of both, by batch; ratios are ours over PyTorch's."""
    rival, found = Rival(python), {}
    for batch in BATCHES:
        took = in_turn({"ours": ours(batch), "pytorch": partial(rival.epoch, batch)}, repeats)
        walls = {name: [wall for wall, _ in epochs] for name, epochs in took.items()}
        cpus = {name: [cpu for _, cpu in epochs] for name, epochs in took.items()}
        found[f"batch {batch}"] = {
            **{f"{name} best": round(ROWS / min(wall)) for name, wall in walls.items()},
            **{f"{name} median": round(ROWS / median(wall)) for name, wall in walls.items()},
            **{f"{name} a processor second": round(ROWS / median(cpu)) for name, cpu in cpus.items()},
            "ratio best": round(min(walls["pytorch"]) / min(walls["ours"]), 2),
            "ratio median": round(median(walls["pytorch"]) / median(walls["ours"]), 2),
            "ratio processor": round(median(cpus["pytorch"]) / median(cpus["ours"]), 2),
        }
    rival.close()
    return found


def wait_share(model: Any, rows: FitRows, batch: int, repeats: int) -> dict[str, float]:
    """How long steps wait for their batch as the fit feeds them, of all their time; and what feeding costs a processor.

    The steps are taken one by one, off the same queue as `fit` takes them. The second figure is what epochs take longer
    than on a batch that TensorFlow holds already, in seconds of a processor.
    """
    import tensorflow as tf

    rng, steps = np.random.default_rng(0), len(rows) // batch
    order = rng.permutation(len(rows))[: steps * batch]
    held = tf.data.Dataset.from_tensors(next(iter(make_batches(rows, batch, order)))).repeat(steps)
    waited = worked = 0.0
    for _ in range(repeats):
        feed = iter(make_batches(rows, batch, rng.permutation(order)))
        next(feed)  # the queue fills up
        for _ in range(steps - 1):
            began = perf_counter()
            inputs, truth, weight = next(feed)
            given = perf_counter()
            model.train_on_batch(inputs, truth, weight)
            waited, worked = waited + given - began, worked + perf_counter() - given

    def fit(feed: Any) -> Callable[[], Took]:
        return lambda: timed(lambda: model.fit(feed, epochs=1, shuffle=False, verbose=0))

    took = in_turn({"fed": fit(make_batches(rows, batch, order)), "held": fit(held)}, repeats)
    cpu = {name: median(one[1] for one in epochs) for name, epochs in took.items()}
    return {
        "wait_share": round(waited / (waited + worked), 4),
        "step_milliseconds": round(1000 * worked / (repeats * (steps - 1)), 1),
        "feeding_processor_share": round(1 - cpu["held"] / cpu["fed"], 3),
    }


def beside_tensorflow(backend: str, python: str) -> dict[str, Any]:
    """Losses of the default network on TensorFlow and on another backend.

    Raises:
        SystemExit: if they are further apart than `SAME_LOSS`.
    """
    script, found = str(Path(__file__).with_name("training_backend.py")), {}
    for name, interpreter in (("tensorflow", sys.executable), (backend, python)):
        here = os.environ | {"KERAS_BACKEND": name, "PYTHONPATH": str(Path(__file__).parents[1])}
        said = subprocess.run([interpreter, script], env=here, check=True, stdout=subprocess.PIPE, text=True).stdout
        found[name] = json.loads(said.splitlines()[-1])
    losses = [one["best_loss"] for one in found.values()]
    found["apart"] = round(max(losses) / min(losses) - 1, 5)
    if found["apart"] > SAME_LOSS:
        raise SystemExit(f"the losses are {found['apart']:.1%} apart: {json.dumps(found)}")
    return found


def real_fit(stations: int, weeks: int, repeats: int) -> dict[str, Any]:
    """Train the default on a made-up network, then measure the wait on its own rows and network."""
    seen: list[tuple[Any, FitRows, Plan]] = []
    fit = fit_network

    def recorded(model: Any, rows: FitRows, validation: FitRows, plan: Plan, *rest: Any) -> None:
        seen.append((model, rows, plan))
        fit(model, rows, validation, plan, *rest)

    setattr(next_hour_lstm, "fit_network", recorded)  # noqa: B010 - the wait is measured in the rows of a real training
    grid, notes = city(stations, weeks), FitLog()
    features = MinuteFeatures(grid, "America/Chicago")
    wall, cpu = timed(lambda: train(features, Settings(), grid.minutes[-1], "next_hour_lstm", notes))
    setattr(next_hour_lstm, "fit_network", fit)  # noqa: B010
    model, rows, plan = seen[0]
    return {
        "stations": stations,
        "weeks": weeks,
        "train_seconds": round(wall, 1),
        "train_processor_seconds": round(cpu, 1),
        **{name: notes.notes[name] for name in ("fit_seconds", "training_rows", "rows_a_second")},
        **wait_share(model, rows, plan.batch, repeats),
        "peak_gigabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
    }


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rival-python", help="python of an environment with benchmarks/requirements.txt")
    parser.add_argument("--backend", help="of Keras, beside TensorFlow")
    parser.add_argument("--backend-python", help="python of an environment that has it")
    parser.add_argument("--stations", type=int, default=20)
    parser.add_argument("--weeks", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    if asked.backend:
        return tell(beside_tensorflow(asked.backend, asked.backend_python or sys.executable), asked.json)
    seed_everything(7)
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    found: dict[str, Any] = {"load": os.getloadavg()[0]}
    if asked.rival_python:
        found["windows a second"] = beside_pytorch(asked.rival_python, asked.repeats)
    found["next_hour_lstm"] = real_fit(asked.stations, asked.weeks, asked.repeats)
    tell(found, asked.json)


def tell(found: dict[str, Any], path: Path | None) -> None:
    """Print figures, and keep them where asked to."""
    text = json.dumps(found, indent=1)
    if path:
        path.write_text(text)
    sys.stdout.write(text + "\n")
    save(found)


if __name__ == "__main__":
    main()
