"""Reports that people read: artifacts and pictures in the Prefect UI."""
