"""Look at files that come without a configuration: what their columns are, and what must be asked."""
