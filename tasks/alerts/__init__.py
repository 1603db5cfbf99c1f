"""Alerts: warnings of many people, each sent once, as often as people want them."""
