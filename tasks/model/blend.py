"""How far a correction may move its start: a weight per target, learnt on held-out hours and drawn to a prior.

A network, or trees, that start as a strong simple forecast win much on some cities and lose on others, and a week of
held-out hours cannot always tell which. The blend is `start ** (1 - weight) * corrected ** weight`. The weight is the
mean of two views, each counting by its precision: the weight that was best on the held-out hours, and a prior, which
won or cost nothing on every set that it was chosen on (the posterior mean of a normal prior).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tasks.arrays import Float, Minutes

PRIOR, PRIOR_SPREAD = 0.25, 0.25
"""Weight of the network before any hour was held out, and how sure that is, as a standard deviation."""
BLOCK = np.timedelta64(360, "m")
"""Held-out hours within such a span err together, and count as one when the gain is judged."""
FLOOR = np.float32(0.1)
"""Least forecast of an hour, people, in the loss."""
TINY = np.float32(1e-6)


def blend(output: Float, start: Float, weights: tuple[float, ...]) -> Float:
    """Mean and quantiles between start and network.

    Args:
        output: float32 [row, 1 + quantile, target, step], the network's, its mean first.
        start: float32 [row, target, step], which the network corrected.
        weights: of the network, by target; 1 leaves its output as it is.

    Returns:
        float32 [row, 1 + quantile, target, step]; the quantiles move with the mean.
    """
    rest = 1 - np.array(weights, np.float32)[:, None]
    factor = np.where(start > TINY, (start / np.maximum(output[:, 0], TINY)) ** rest, np.float32(1))
    return np.asarray(output * factor[:, None], np.float32)


def learn_weights(
    output: Float, start: Float, truth: Float, weight: Float, origins: Minutes, prior: float = PRIOR
) -> tuple[float, ...]:
    """Weights of a correction, by target, from hours that neither it nor its start was fitted on.

    Args:
        output: see `blend`.
        start: see `blend`.
        truth: float32 [row, target, step], negative where not observed.
        weight: float32 [row], of the rows.
        origins: datetime64[m] [row].
        prior: weight before any hour was held out; that of a network by default.
    """
    blocks = np.unique((origins - origins.min()) // BLOCK, return_inverse=True)[1] if len(origins) else np.zeros(0, int)
    seen = truth >= 0
    people = np.where(seen, truth, 0).sum(axis=-1)
    network, simple = (np.maximum(np.where(seen, x, 0).sum(axis=-1), FLOOR) for x in (output[:, 0], start))
    counts = seen.any(axis=-1) * weight[:, None]
    each = [(people[:, c], network[:, c], simple[:, c], counts[:, c]) for c in range(truth.shape[1])]
    return tuple(_weight(*of_target, blocks, prior) for of_target in each)


def _weight(
    people: Float, network: Float, simple: Float, counts: Float, blocks: npt.NDArray[np.int64], prior: float
) -> float:
    """Of one target: where the Poisson deviance, as a parabola, is least; how sure, by leaving out blocks."""
    number = int(blocks.max(initial=-1)) + 1
    if number < 2:
        return prior
    moved = np.log(network / simple)
    means = [simple * np.exp(w * moved) for w in (0.0, 0.5, 1.0)]
    by_block = np.stack([np.bincount(blocks, counts * (m - people * np.log(m)), number) for m in means])
    start, middle, end = by_block.sum(axis=1, keepdims=True) - by_block  # each without one block
    bend = 2 * (start - 2 * middle + end)
    if (bend <= 0).any():
        return prior
    best = 0.5 - (end - start) / (2 * bend)
    precision = 1 / max((number - 1) * float(best.var()), 1e-6)
    doubt = PRIOR_SPREAD**-2
    return round(float(np.clip((precision * best.mean() + doubt * prior) / (precision + doubt), 0, 1)), 4)
