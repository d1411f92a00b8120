"""A Django app, `entrypoint.contrib.django` in INSTALLED_APPS: it brings `manage.py createsu`."""
