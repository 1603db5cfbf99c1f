"""What the recursive sequence models share."""
