"""For the container: the default."""

# ruff: noqa: F403, F405 -- these settings are those of base and the names below

import os

from django.core.exceptions import ImproperlyConfigured

from .base import *

DEBUG = env_flag("DJANGO_DEBUG")

SECRET_KEY = os.environ.get("SECRET_KEY")
if not SECRET_KEY:
    raise ImproperlyConfigured("set SECRET_KEY")

# The name of each static file carries a hash of its content, so browsers may keep it for ever.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}

# Off by default, because http://localhost must work. Behind TLS set SECURE_COOKIES=yes.
# `manage.py check --deploy` asks for both (W012, W016), and for HSTS (W004) and a redirect to
# HTTPS (W008), which the program that terminates TLS should send.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env_flag("SECURE_COOKIES")
