"""Files of a source: find them, read their bytes, follow what changes."""
