"""Models: architectures, training, gate, bundles."""
