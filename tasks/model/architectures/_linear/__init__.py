"""What only `linear_level` needs."""
