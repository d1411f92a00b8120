"""Processes: their table, their memory, their control group, and how they end."""
