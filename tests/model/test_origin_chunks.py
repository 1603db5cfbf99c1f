"""What is forecast a few origins at a time is what would be forecast at once."""

from __future__ import annotations

import numpy as np
import pytest
from support import tiny_city

from tasks.model import origin_chunks
from tasks.model.architectures import initial_forecaster

ORIGINS = tiny_city.AS_OF - np.arange(1, 8)[::-1] * np.timedelta64(95, "m")


def test_a_forecast_is_the_same_however_few_origins_are_in_memory_together(monkeypatch: pytest.MonkeyPatch) -> None:
    features, model = tiny_city.features(), initial_forecaster("weekday_level")
    expected = model.predict(features.tensors(ORIGINS))
    monkeypatch.setattr(origin_chunks, "CHUNK_VALUES", 9_000)
    assert len(origin_chunks.chunks(ORIGINS, features)) > 2
    found = origin_chunks.forecast_origins(model, features, ORIGINS)
    np.testing.assert_array_equal(found.mean, expected.mean)
    np.testing.assert_array_equal(found.quantiles, expected.quantiles)
