"""Plots of a training."""
