"""Forecasting: a ladder of models, a guard over their answers, and the forecasts table."""
