"""Land statements: observations, rejects and the ledger, each exactly once."""
