"""For work on the project: DJANGO_ENV=development."""

# ruff: noqa: F403, F405 -- these settings are those of base and the names below

from .base import *

DEBUG = env_flag("DJANGO_DEBUG", default=True)

SECRET_KEY = "django-insecure-only-for-development"  # noqa: S105 -- known to everyone, protects nothing
