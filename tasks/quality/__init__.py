"""Whether what came in can be believed."""
