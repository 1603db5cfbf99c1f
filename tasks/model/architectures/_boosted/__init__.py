"""What `boosted_level` needs, and the networks that start from it."""
