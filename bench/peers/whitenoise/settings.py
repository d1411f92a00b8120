"""The project's settings, with its static files served by the application."""

# ruff: noqa: F403, F405 -- these settings are the project's and the names below

from config.settings import *

MIDDLEWARE.insert(1, "whitenoise.middleware.WhiteNoiseMiddleware")
STORAGES["staticfiles"]["BACKEND"] = "whitenoise.storage.CompressedManifestStaticFilesStorage"
