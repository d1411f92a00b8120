"""A project that configures no logging: what a failed request leaves in the container's log, under each server."""

import re
from pathlib import Path

import pytest
import requests
from deadline import PATIENCE, until
from site_under_test import NewSite, Site
from small_project import write_small_project

SETTINGS = """
DEBUG = False
SECRET_KEY = "of-the-tests-alone-and-no-one-else"
ALLOWED_HOSTS = ["127.0.0.1", "shop.example"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
ROOT_URLCONF = "urls"
"""
URLS = """
from django.http import HttpResponse
from django.urls import path

def crash(request):
    raise RuntimeError("the view has failed")

urlpatterns = [path("", lambda request: HttpResponse("well")), path("crash/", crash)]
"""
PROXY = {"Host": "shop.example", "Origin": "https://shop.example", "X-Forwarded-Proto": "https"}
"""What a proxy that terminates TLS sends."""
REFUSED = (
    "WARNING django.security.csrf: "
    "Forbidden (Origin checking failed - https://shop.example does not match any trusted origins.): /"
)
WRONG_HOST = (
    "Invalid HTTP_HOST header: 'other.example'. You may need to add 'other.example' to ALLOWED_HOSTS; "
    "or set NGINX_SERVER_NAME to the hosts of this site, and nginx refuses all others"
)

IDENTIFIER = r" \(request [0-9a-f]{32}\)"


@pytest.fixture
def quiet(tmp_path: Path) -> Path:
    """A Django project without LOGGING."""
    return write_small_project(tmp_path / "project", settings=SETTINGS, urls=URLS)


def logged(site: Site, line: str) -> None:
    until(lambda: f"{line}\n" in re.sub(IDENTIFIER, "", site.output), f"the line {line}")


@pytest.mark.parametrize("server", ["uwsgi", "gunicorn", "uvicorn", "granian"])
def test_a_failed_request_leaves_its_cause_and_the_remedy(new_site: NewSite, quiet: Path, server: str) -> None:
    site = new_site(quiet, ENTRYPOINT_SERVER=server, WEB_CONCURRENCY="1", FORWARDED_ALLOW_IPS="10.0.0.0/8")
    site.start().ready()
    assert site.status("/crash/") == 500
    logged(site, f"[{server}] ERROR django.request: Internal Server Error: /crash/")
    logged(site, f"[{server}] Traceback (most recent call last):")
    logged(site, f"[{server}] RuntimeError: the view has failed")
    assert requests.get(site.url, headers={"Host": "other.example"}, timeout=PATIENCE).status_code == 400
    logged(site, f"[{server}] ERROR django.security.DisallowedHost: {WRONG_HOST}")
    forged = {"X-Entrypoint-Untrusted": "X-Forwarded-Proto came from 192.0.2.1"}
    assert requests.post(site.url, headers={**PROXY, **forged}, timeout=PATIENCE).status_code == 403
    logged(
        site,
        f"[{server}] {REFUSED}; X-Forwarded-Proto came from 127.0.0.1, which FORWARDED_ALLOW_IPS does not trust; "
        "if that is your proxy, add its address",
    )
    assert site.status("/missing/") == 404
    assert site.stop()[0] == 0
    assert "192.0.2.1" not in site.output
    assert "Not Found" not in site.output


def test_without_nginx_no_header_of_a_client_is_taken_for_nginxs(new_site: NewSite, quiet: Path) -> None:
    site = new_site(quiet, ENTRYPOINT_SERVER="gunicorn", ENTRYPOINT_NGINX="off", WEB_CONCURRENCY="1")
    site.start()
    until(lambda: site.status("/") == 200, "the page")
    forged = {"Host": "shop.example", "Origin": "https://shop.example", "X-Entrypoint-Untrusted": "forged"}
    assert requests.post(site.url, headers=forged, timeout=PATIENCE).status_code == 403
    logged(
        site,
        f"[gunicorn] {REFUSED}; the client used https, but the request came as http: "
        "let the proxy set X-Forwarded-Proto, and name its address in FORWARDED_ALLOW_IPS",
    )
    assert site.stop()[0] == 0
