"""For work on the project: DJANGO_ENV=development."""

# ruff: noqa: F403 -- these settings are those of base and the names below

from .base import *

DEBUG = True

SECRET_KEY = "django-insecure-only-for-development"  # noqa: S105 -- known to everyone, protects nothing
