"""Minutes become tensors: weekly lags by the wall clock, profile, level, calendar."""
