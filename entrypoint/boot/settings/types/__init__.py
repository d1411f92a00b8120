"""The types of settings: each parses a text into a value, or raises ValueError with the reason."""
