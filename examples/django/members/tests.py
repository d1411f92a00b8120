# ruff: noqa: PT009 -- Django's test runner and assertions, not pytest's

from django.contrib.auth import get_user_model
from django.test import TestCase, override_settings
from django.urls import reverse

from .models import User


# Plain names for static files: the tests run without collectstatic.
@override_settings(STORAGES={"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}})
class UserTests(TestCase):
    def test_it_is_the_projects_user(self):
        self.assertIs(get_user_model(), User)

    def test_a_superuser_administers_users(self):
        self.client.force_login(User.objects.create_superuser("ada", password=None))
        self.assertContains(self.client.get(reverse("admin:members_user_changelist")), "ada")

    def test_a_stranger_is_asked_to_log_in(self):
        response = self.client.get(reverse("admin:index"))
        self.assertRedirects(response, "/admin/login/?next=/admin/")
