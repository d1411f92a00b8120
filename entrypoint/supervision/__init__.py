"""Runs inside supervisord, after the exec: the standard library and supervisor only."""
