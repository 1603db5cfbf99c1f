"""MLflow: runs, the model registry, and where a run came from."""
