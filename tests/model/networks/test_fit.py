"""How networks are fed, and their second fit on the newest days: it starts over, and is dropped if it goes astray."""

from __future__ import annotations

from typing import Any

import numpy as np

from tasks.contracts import FitLog
from tasks.model.networks.fit import (
    FitRows,
    Plan,
    aligned_array,
    compile_network,
    fit_network,
    make_batches,
    predict_rows,
    refit_network,
    seed_everything,
    slice_batches,
    to_tensor,
)

PLAN = Plan(epochs=2, batch=16, patience=1, seconds=60)


def rows(seed: int) -> FitRows:
    x = np.random.default_rng(seed).normal(size=(64, 2)).astype(np.float32)
    return FitRows({"x": x}, x @ np.array([[1.0], [-2.0]], np.float32), np.ones(64, np.float32))


def with_newest() -> FitRows:
    """Rows of the first fit, and those that its validation has seen."""
    first, newest = rows(1), rows(2)
    x, truth = (np.concatenate(pair) for pair in ((first.inputs["x"], newest.inputs["x"]), (first.truth, newest.truth)))
    return FitRows({"x": x}, truth, np.ones(128, np.float32))


def line(first_rate: float = 0.05) -> Any:
    from keras import Input, Model, layers, optimizers

    seed_everything(1)
    x = Input((2,), name="x")
    model = Model([x], layers.Dense(1)(x))
    rate = optimizers.schedules.CosineDecay(first_rate, 1000)
    compile_network(model, "mse", optimizers.Adam(rate))
    return model


def test_a_refit_starts_over_and_is_kept_if_better_and_dropped_if_astray() -> None:
    model, log, watched = line(), FitLog(), rows(2)
    start = model.get_weights()
    refit_network(model, start, with_newest(), watched, PLAN, log)
    once = model.get_weights()
    assert log.notes == {"refit_rows": 128, "refit_kept": True}
    assert (once[0] != start[0]).all()
    model.set_weights([w + 5 for w in start])  # neither weights nor the optimizer's memory outlive a new start
    refit_network(model, start, with_newest(), watched, PLAN, log)
    for first, again in zip(once, model.get_weights(), strict=True):
        np.testing.assert_array_equal(first, again)
    refit_network(model, [w * np.nan for w in start], watched, watched, PLAN, log)
    assert not log.notes["refit_kept"]
    for first, again in zip(once, model.get_weights(), strict=True):
        np.testing.assert_array_equal(first, again)


def test_losses_of_training_and_validation_can_be_compared_though_their_rows_weigh_differently() -> None:
    model, even = line(first_rate=0.0), rows(1)
    light = FitRows(even.inputs, even.truth, np.full(64, 0.25, np.float32))
    log, seen = FitLog(), list[tuple[int, dict[str, float]]]()
    log.on_epoch = lambda epoch, figures: seen.append((epoch, dict(figures)))
    fit_network(model, light, even, PLAN, log)
    np.testing.assert_allclose(log.epochs["loss"], log.epochs["val_loss"], rtol=1e-5)
    assert [epoch for epoch, _ in seen] == [1]  # it stops, as nothing is gained
    assert seen[0][1] == {name: values[0] for name, values in log.epochs.items()}


def test_every_backend_is_fed_the_same_batches_in_the_order_asked_for() -> None:
    given, order = rows(3), np.random.default_rng(4).permutation(64)
    ours = list(make_batches(given, 10, order))
    theirs = slice_batches(given, 10, order)
    assert len(theirs) == len(ours) == 7
    for number, (inputs, truth, weight) in enumerate(ours):
        at = order[10 * number : 10 * number + 10]
        np.testing.assert_array_equal(inputs["x"], given.inputs["x"][at])
        for mine, other in zip((inputs["x"], truth, weight), _flat(theirs[number]), strict=True):
            np.testing.assert_array_equal(mine, other)
    np.testing.assert_array_equal(np.concatenate([_flat(theirs[i])[1] for i in range(7)]), given.truth[order])


def _flat(batch: Any) -> list[Any]:
    inputs, truth, weight = batch
    return [inputs["x"], truth, weight]


def test_rows_that_lie_as_tensorflow_needs_them_are_not_copied() -> None:
    aligned = aligned_array((8, 3), np.float32)
    aligned[:] = np.arange(24).reshape(8, 3)
    crooked = np.concatenate([[0.0], np.arange(24.0)]).astype(np.float32)[1:].reshape(8, 3)
    crooked = crooked if crooked.ctypes.data % 64 else crooked[1:]
    for array in (aligned, crooked, np.zeros((0, 3), np.float32)):
        assert np.array_equal(to_tensor(array).numpy(), array)
    shared, copied = to_tensor(aligned), to_tensor(crooked)
    aligned[0, 0], crooked[0, 0] = -1, -1
    assert float(shared[0, 0]) == -1
    assert float(copied[0, 0]) != -1


def test_batches_of_tensorflow_read_the_rows_where_they_lie() -> None:
    array, order = aligned_array((4, 3), np.float32), np.array([2, 0, 3, 1])
    array[:] = np.arange(12).reshape(4, 3)
    given = FitRows({"x": array}, np.zeros((4, 1), np.float32), np.ones(4, np.float32))
    batches = iter(make_batches(given, 4, order))
    array[2] = -1  # a copy made with the variables, the batches or their iterator would not show it
    inputs, _, _ = next(batches)
    np.testing.assert_array_equal(inputs["x"], array[order])
    assert given.variables is given.variables
    given.release()
    assert "variables" not in vars(given)


def test_a_network_answers_rows_in_their_order_without_a_copy_of_them() -> None:
    model, given = line(), rows(3)
    np.testing.assert_array_equal(predict_rows(model, given), model.predict(given.inputs, batch_size=64, verbose=0))
