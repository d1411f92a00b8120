"""The settings of the environment that DJANGO_ENV names."""

# ruff: noqa: F403 -- a settings module is the sum of the names of the one it imports

import os

from django.core.exceptions import ImproperlyConfigured

match os.environ.get("DJANGO_ENV", "production"):
    case "production":
        from .production import *
    case "development":
        from .development import *
    case other:
        raise ImproperlyConfigured(f"set DJANGO_ENV to production or development, not {other!r}")
