"""Promotion: the gate, its decision, and the champion bundle on disk."""
