"""Overrides: a person scales the next hours of a station or line, and a ledger keeps who, when, why and by how much."""
