"""Settings of a network: one frozen tree, read from TOML, with its secrets by reference."""
