"""Serving: bundles on disk, and the model that MLflow serves."""
