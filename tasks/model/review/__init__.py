"""Review: what a person reads about a version in MLflow."""
