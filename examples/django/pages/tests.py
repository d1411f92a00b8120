# ruff: noqa: PT009 -- Django's test runner and assertions, not pytest's

import os

from django.core.files.base import ContentFile
from django.test import SimpleTestCase, TestCase, override_settings
from django.urls import reverse

from .models import MAX_SIZE, Upload

# Plain names for static files, because the tests run without collectstatic; uploads in memory.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}


@override_settings(STORAGES=STORAGES)
class IndexTests(SimpleTestCase):
    def test_it_tells_which_process_answers(self):
        self.assertContains(self.client.get("/"), f"process {os.getpid()}")

    def test_it_has_a_stylesheet_and_an_image(self):
        response = self.client.get("/")
        self.assertContains(response, "/static/pages/style.css")
        self.assertContains(response, "/static/pages/container.svg")

    def test_it_links_to_crashes_only_where_they_are_allowed(self):
        for allowed in (True, False):
            with self.subTest(allowed=allowed), self.settings(EXAMPLE_CRASH=allowed):
                self.assertContains(self.client.get("/"), 'href="/crash/"', count=int(allowed))


@override_settings(STORAGES=STORAGES)
class UploadTests(TestCase):
    url = reverse("pages:upload")

    def upload(self, name, content):
        return self.client.post(self.url, {"file": ContentFile(content, name)}, follow=True)

    def test_a_file_is_kept_and_listed(self):
        response = self.upload("hello.txt", b"hello")
        self.assertRedirects(response, self.url)
        self.assertContains(response, 'href="/media/uploads/hello.txt"')
        with Upload.objects.get().file.open() as file:
            self.assertEqual(file.read(), b"hello")

    def test_a_file_of_the_greatest_size_is_kept(self):
        self.upload("great.bin", bytes(MAX_SIZE))
        self.assertEqual(Upload.objects.count(), 1)

    def test_a_larger_file_is_refused(self):
        self.assertContains(self.upload("larger.bin", bytes(MAX_SIZE + 1)), "is too much")
        self.assertFalse(Upload.objects.exists())

    def test_a_file_that_a_browser_would_run_is_refused(self):
        self.assertContains(self.upload("page.html", b"<script>"), "is not allowed")
        self.assertFalse(Upload.objects.exists())


class RequestTests(SimpleTestCase):
    def test_it_shows_what_the_proxy_said(self):
        response = self.client.get(
            "/request/",
            headers={"Host": "testserver", "X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"},
        )
        self.assertEqual(
            response.json(),
            {
                "address": "127.0.0.1",
                "scheme": "https",
                "secure": True,
                "host": "testserver",
                "x_forwarded_for": "192.0.2.7",
                "pid": os.getpid(),
            },
        )

    def test_without_a_proxy_it_is_plain_http(self):
        response = self.client.get("/request/").json()
        self.assertEqual((response["scheme"], response["x_forwarded_for"]), ("http", None))


class SleepTests(SimpleTestCase):
    def test_it_tells_how_long_it_slept(self):
        for given, slept in (("0.01", "0.01"), ("0", "0"), ("-5", "0"), ("nan", "0")):
            with self.subTest(given=given):
                response = self.client.get("/sleep/", {"s": given})
                self.assertEqual(response.content.decode(), f"slept {slept} s\n")

    def test_what_is_no_number_is_refused(self):
        with self.assertLogs("django.request"):
            response = self.client.get("/sleep/", {"s": "long"})
        self.assertContains(response, "must be a number", status_code=400)


class CrashTests(SimpleTestCase):
    @override_settings(EXAMPLE_CRASH=False)
    def test_nothing_crashes_unless_allowed(self):
        for path in ("/crash/", "/error/"):
            with self.subTest(path=path), self.assertLogs("django.request"):
                self.assertEqual(self.client.get(path).status_code, 404)

    @override_settings(EXAMPLE_CRASH=True)
    def test_an_error_leaves_its_traceback_in_the_log(self):
        self.client.raise_request_exception = False
        with self.assertLogs("django.request", "ERROR") as log:
            self.assertEqual(self.client.get("/error/").status_code, 500)
        self.assertIn("RuntimeError: somebody asked for this error", log.output[0])
