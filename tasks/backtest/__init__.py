"""Replay past moments as they were known, and report how models would have done."""
