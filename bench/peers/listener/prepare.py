"""Migrate and create the superuser, in one start of Django where two manage.py would need two."""

import os
import sys

import django
from django.core.management import call_command

sys.path.insert(0, "/srv/project")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()
call_command("migrate", interactive=False)

if name := os.environ.get("DJANGO_SUPERUSER_USERNAME"):
    from django.contrib.auth import get_user_model

    user = get_user_model()
    if not user.objects.filter(**{user.USERNAME_FIELD: name}).exists():
        call_command("createsuperuser", interactive=False)
