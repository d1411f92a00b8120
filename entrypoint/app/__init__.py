"""Runs in the application's interpreter, as the application's user: the standard library and Django only."""
