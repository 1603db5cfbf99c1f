"""Helpers that tests share: small towns, servers, fakes and oracles."""
