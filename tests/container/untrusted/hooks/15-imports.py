"""This hook belongs to root, but imports what the application's user can write."""

import importlib
from contextlib import suppress

with suppress(ImportError):
    importlib.import_module("planted_for_a_hook")
