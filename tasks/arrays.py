"""Types of arrays, and the sizes of the hour that is forecast.

Times are NumPy's datetime64 in UTC; counts that a model sees are float32, counts that a table holds int64.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]
Int = npt.NDArray[np.int64]
Minutes = npt.NDArray[np.datetime64]

HORIZON_MINUTES = 60
WEEKS = 14
QUANTILES = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)
QUANTILE_COLUMNS = ("q05", "q10", "q25", "q50", "q75", "q90", "q95")
