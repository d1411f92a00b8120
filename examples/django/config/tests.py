# ruff: noqa: PT009, S106 -- Django's test runner and assertions, not pytest's; no key is a secret here

import os
import subprocess
import sys

from django.conf import settings
from django.test import SimpleTestCase


def load_settings(shown="print(s.DEBUG, s.ALLOWED_HOSTS)", **environ):
    """Import the settings in a process of their own, with only these variables."""
    return subprocess.run(  # noqa: S603 -- this interpreter, and code of these tests
        [sys.executable, "-c", f"import config.settings as s; {shown}"],
        cwd=settings.BASE_DIR,
        env={"PATH": os.defpath, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


class SettingsTests(SimpleTestCase):
    def test_production_is_the_default(self):
        loaded = load_settings(SECRET_KEY="test", ALLOWED_HOSTS="one.example, two.example")
        self.assertEqual(loaded.stdout, "False ['one.example', 'two.example']\n")

    def test_production_requires_a_secret_key(self):
        self.assertIn("ImproperlyConfigured: set SECRET_KEY", load_settings().stderr)

    def test_development_requires_nothing(self):
        self.assertEqual(load_settings(DJANGO_ENV="development").stdout, "True ['localhost', '127.0.0.1', '[::1]']\n")

    def test_debug_and_the_database_by_the_names_of_an_env_file(self):
        names = {"DJANGO_DB_HOST": "db", "POSTGRES_USER": "site", "POSTGRES_PASSWORD": "x", "POSTGRES_DB": "site"}
        shown = "print(s.DEBUG, s.DATABASES['default']['HOST'], s.DATABASES['default']['USER'])"
        loaded = load_settings(SECRET_KEY="test", DJANGO_DEBUG="True", shown=shown, **names)
        self.assertEqual(loaded.stdout, "True db site\n")

    def test_another_environment_is_refused(self):
        self.assertIn("set DJANGO_ENV to", load_settings(DJANGO_ENV="staging").stderr)
