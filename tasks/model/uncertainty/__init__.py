"""Uncertainty: quantiles of counts, their spread, and conformal calibration."""
