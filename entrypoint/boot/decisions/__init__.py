"""Conclusions from the settings and the facts: pure functions and values."""
