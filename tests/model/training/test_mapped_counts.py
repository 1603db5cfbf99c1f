"""A night of a network whose counts are mapped from a file is that of one whose counts are in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from support import tiny_city

from tasks.model.review.data_sets import data_sets
from tasks.model.training.train import Trained, train


def test_a_night_of_counts_in_a_file_has_the_bits_of_one_in_memory(tiny_champion: Trained, tmp_path: Path) -> None:
    mapped = train(tiny_city.mapped_features(tmp_path), tiny_city.settings(), tiny_city.AS_OF)
    held, origins = tiny_champion, tiny_champion.split.holdout[:40]
    assert held.features.grid.mapped is None
    assert data_sets(tiny_city.settings(), held.features.grid, held.split) == data_sets(
        tiny_city.settings(), mapped.features.grid, mapped.split
    )
    for name, scores in held.scores.items():
        assert scores.daily.tobytes() == mapped.scores[name].daily.tobytes()
        np.testing.assert_equal(mapped.scores[name].overall, scores.overall)
    np.testing.assert_array_equal(mapped.volume, held.volume)
    one, other = (each.forecaster.predict(each.features.tensors(origins)) for each in (held, mapped))
    assert one.mean.tobytes() == other.mean.tobytes()
    assert one.quantiles.tobytes() == other.quantiles.tobytes()
