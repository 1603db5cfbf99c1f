"""Power cuts: everything that was not synced is lost, torn or reordered, and the next run must mend it."""
