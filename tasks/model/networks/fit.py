"""One way to fit every Keras network: seeded, bounded, and with the best epoch's weights at the end.

The weights before the first epoch are a candidate too: a network that starts as the best baseline ends no worse on
the validation hours than that.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tasks.contracts import FitLog, Progress
from tasks.model.networks.keras_runtime import hold_stderr, unroll

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)

Arrays = dict[str, npt.NDArray[Any]]
STEPS_PER_EXECUTION = 8
MANY_STEPS = 500
"""Batches of a fit from which on it pays to trace the loop over several of them, and to unroll its layers."""
VALIDATION_BATCH = 2048
PREFETCHED = 4096
"""Rows of the batches that are gathered ahead of the network: what it waits for, and no second copy of all rows."""
ALIGNMENT = 64
"""Bytes, of which an address must be a multiple for TensorFlow's operations."""


@dataclass(frozen=True)
class FitRows:
    """Rows of a fit, row axis first.

    Attributes:
        inputs: by the network's input names.
        truth: what the loss holds the output against.
        weight: float32 [row], with the other axes of the loss where it has any.
    """

    inputs: Arrays
    truth: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.truth)

    @cached_property
    def variables(self) -> tuple[dict[str, Any], Any, Any]:
        """The same as variables, of which `tf.data` takes handles; tensors it would copy for every iterator."""
        import tensorflow as tf

        def hold(array: npt.NDArray[Any]) -> Any:
            return tf.Variable(to_tensor(array), trainable=False)

        with tf.device("CPU"):
            held: tuple[dict[str, Any], Any, Any] = tf.nest.map_structure(hold, (self.inputs, self.truth, self.weight))
        return held

    @cached_property
    def mean_weight(self) -> float:
        """Mean of the weights: Keras divides the weighted sum of a loss by the number of rows, not by their weights."""
        return float(self.weight.mean(dtype=np.float64)) or 1.0

    def release(self) -> None:
        """Drop what TensorFlow holds of them; it is made again on the next use."""
        self.__dict__.pop("variables", None)


def aligned_array(shape: tuple[int, ...], kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """An array whose values are to be written, and that TensorFlow can take as it is; see `to_tensor`."""
    size = math.prod(shape) * np.dtype(kind).itemsize
    room = np.empty(size + ALIGNMENT, np.uint8)
    first = -room.ctypes.data % ALIGNMENT
    return room[first : first + size].view(kind).reshape(shape)


def to_tensor(array: npt.NDArray[Any]) -> Any:
    """The array as TensorFlow holds it: the same bytes where they lie as its operations need them, else a copy.

    `tf.convert_to_tensor` copies always: twice the rows of a fit in memory. What is shared must not be written again.
    """
    import tensorflow as tf

    shared = array.ctypes.data % ALIGNMENT == 0 and array.flags.c_contiguous and array.flags.writeable and array.size
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__()) if shared else tf.convert_to_tensor(array)


@dataclass(frozen=True)
class Plan:
    """How long and in what order to fit.

    Attributes:
        epochs, batch: as ever.
        patience: epochs without a better validation loss after which it ends.
        seconds: no epoch starts after that time.
        shuffle: whether rows are drawn in another order every epoch, else in that of time.
        seed: of the order.
    """

    epochs: int
    batch: int
    patience: int
    seconds: float
    shuffle: bool = True
    seed: int = 7


def seed_everything(seed: int) -> None:
    """Fix every source of chance that Keras knows, and make the operations deterministic."""
    with hold_stderr():  # TensorFlow writes which instructions the processor has
        import keras

    keras.utils.set_random_seed(seed)
    if keras_backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def keras_backend() -> str:
    """What Keras computes with: "tensorflow", or another for which its environment is set."""
    import keras

    return str(keras.backend.backend())


def compile_network(model: keras.Model, loss: Any, optimizer: Any, metrics: list[Any] | None = None) -> None:
    """Compile for `fit_network`: several batches per call of the graph."""
    model.compile(
        optimizer,
        loss=loss,
        weighted_metrics=metrics,
        steps_per_execution=STEPS_PER_EXECUTION,
        jit_compile=keras_backend() == "jax",  # without it JAX would run every operation by itself
    )
    # A step whose first trace creates the optimizer's variables is traced once more: seconds of every fit.
    model.optimizer.build(model.trainable_variables)


def make_batches(rows: FitRows, size: int, order: npt.NDArray[np.int64] | None = None) -> Any:
    """Rows by the batch in some order, that of the rows by default, gathered while the network works.

    On TensorFlow its own threads gather them: Python in between costs a twelfth of a step.
    """
    order = np.arange(len(rows)) if order is None else order
    return gather_batches(rows, size, order) if keras_backend() == "tensorflow" else slice_batches(rows, size, order)


def gather_batches(rows: FitRows, size: int, order: npt.NDArray[np.int64]) -> Any:
    """See `make_batches`: as TensorFlow's threads gather them."""
    import tensorflow as tf

    held = rows.variables

    def batch(at: Any) -> Any:
        return tf.nest.map_structure(lambda array: tf.gather(array.value(), at), held)

    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False  # which copy the rows into the graph
    at = tf.data.Dataset.from_tensor_slices(order).batch(size)
    return at.map(batch).prefetch(max(PREFETCHED // size, 1)).with_options(options)


def slice_batches(rows: FitRows, size: int, order: npt.NDArray[np.int64]) -> keras.utils.PyDataset:
    """See `make_batches`: as any backend takes them."""
    import keras

    class Batches(keras.utils.PyDataset):  # type: ignore[misc,name-defined]
        def __len__(self) -> int:
            return math.ceil(len(rows) / size)

        def __getitem__(self, i: int) -> tuple[Arrays, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
            at = order[i * size : (i + 1) * size]
            return {name: array[at] for name, array in rows.inputs.items()}, rows.truth[at], rows.weight[at]

    return Batches(workers=1, max_queue_size=2 * STEPS_PER_EXECUTION)


def fit_network(
    model: keras.Model, train: FitRows, validation: FitRows, plan: Plan, notes: FitLog, progress: Progress | None = None
) -> None:
    """Fit a compiled network; it ends with the weights of its best epoch by validation loss, 0 being before any.

    Writes `loss`, `val_loss` and every metric by the epoch into `notes`; into its notes the best epoch, the validation
    loss before any, rows and speed. Losses are weighted means over the rows, so that those of training and validation
    can be compared though old training rows weigh less.
    """
    rng, begun = np.random.default_rng(plan.seed), perf_counter()
    if plan.epochs * len(train) < MANY_STEPS * plan.batch:
        model.steps_per_execution = 1
    else:
        unroll(model)
    untrained = _loss(_evaluate(model, validation))
    best, best_epoch, best_weights = untrained, 0, model.get_weights()
    trained, spent = 0, 0.0
    for epoch in range(1, plan.epochs + 1):
        order = rng.permutation(len(train)) if plan.shuffle else None
        started = perf_counter()
        history = model.fit(make_batches(train, plan.batch, order), epochs=1, shuffle=False, verbose=0).history
        spent, trained = spent + perf_counter() - started, trained + len(train)
        own = _weighted_means({name: float(values[0]) for name, values in history.items()}, train)
        figures = _evaluate(model, validation)
        notes.add_epoch(epoch, own | {f"val_{name}": value for name, value in figures.items()})
        loss = _loss(figures)
        if progress:
            progress("epochs", epoch, plan.epochs)
        if loss < best:
            best, best_epoch, best_weights = loss, epoch, model.get_weights()
        if epoch - best_epoch >= plan.patience or perf_counter() - begun > plan.seconds:
            break
    train.release()
    model.set_weights(best_weights)
    notes.notes |= {
        "best_epoch": best_epoch,
        "untrained_loss": untrained,
        "training_rows": len(train),
        "validation_rows": len(validation),
        "fit_seconds": round(perf_counter() - begun, 1),
        "rows_a_second": round(trained / max(spent, 1e-9)),
        "weights": int(model.count_params()),
    }
    log.info("fitted in %.0f s; best epoch %d", perf_counter() - begun, best_epoch)


def refit_network(
    model: keras.Model,
    start: list[npt.NDArray[Any]],
    rows: FitRows,
    watched: FitRows,
    plan: Plan,
    notes: FitLog,
    progress: Progress | None = None,
) -> None:
    """Fit a fitted network once more from the weights `start`, on rows that hold the newest days as well.

    It runs for all epochs of the plan. What comes out has seen the days of `watched`: where it is no better on them
    than the network was that had not, something went astray, and that one stays. Notes `refit_rows`, `refit_kept`.
    """
    fitted, before = model.get_weights(), _loss(_evaluate(model, watched))
    model.set_weights(start)
    for variable in model.optimizer.variables:  # the rate is a schedule, which starts over with the iterations
        variable.assign(np.zeros(variable.shape, variable.dtype))
    rng = np.random.default_rng(plan.seed)
    for epoch in range(1, plan.epochs + 1):
        order = rng.permutation(len(rows)) if plan.shuffle else None
        model.fit(make_batches(rows, plan.batch, order), epochs=1, shuffle=False, verbose=0)
        if progress:
            progress("epochs with the newest days", epoch, plan.epochs)
    kept = _loss(_evaluate(model, watched)) < before
    if not kept:
        model.set_weights(fitted)
    notes.notes |= {"refit_rows": len(rows), "refit_kept": kept}


def predict_rows(model: keras.Model, rows: FitRows) -> npt.NDArray[np.float32]:
    """What a network answers to some rows, which are not copied."""
    return np.asarray(model.predict(make_batches(rows, VALIDATION_BATCH), verbose=0))


def _evaluate(model: keras.Model, rows: FitRows) -> dict[str, float]:
    figures = model.evaluate(make_batches(rows, VALIDATION_BATCH), verbose=0, return_dict=True)
    return _weighted_means({name: float(value) for name, value in figures.items()}, rows)


def _weighted_means(figures: dict[str, float], rows: FitRows) -> dict[str, float]:
    """Figures of Keras whose loss is a weighted mean, as its weighted metrics already are."""
    return {**figures, "loss": figures["loss"] / rows.mean_weight}


def _loss(figures: dict[str, float]) -> float:
    """The loss, infinite where it is not a number."""
    return figures["loss"] if math.isfinite(figures["loss"]) else math.inf
