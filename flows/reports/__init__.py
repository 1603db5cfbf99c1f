"""Reports that people read: on the terminal and in the Prefect UI."""
