"""Root's own, but it imports what the application's user can write."""

import importlib
from contextlib import suppress

with suppress(ImportError):
    importlib.import_module("planted_for_a_hook")
