"""The ID of a request: who gives it, and that each line of the request has it."""

import http.client
import json
import re
from pathlib import Path

import pytest
from deadline import until
from printed import ROOT, blocks
from site_under_test import NewSite, Site
from small_project import write_small_project

(SNIPPET,) = blocks("python", page=ROOT / "docs/how-to/logs.md")
"""What the docs tell a project to add to its settings."""
SETTINGS = f"""
SECRET_KEY = "of-the-tests-alone-and-no-one-else"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "urls"
{SNIPPET.text}
"""
URLS = """
import logging
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path
from entrypoint.contrib.django.request_id import current

log = logging.getLogger("shop")

def given(request):
    log.info("shown")
    assert current() == request.request_id
    return HttpResponse(request.META.get("HTTP_X_REQUEST_ID", ""))

def crash(request):
    log.warning("about to fail")
    raise RuntimeError("the view has failed")

def stream(request):
    def parts():
        log.info("streamed")
        yield "x"
    return StreamingHttpResponse(parts())

def own(request):
    return HttpResponse(headers={"X-Request-ID": "own"})

urlpatterns = [path("", given), path("crash/", crash), path("stream/", stream), path("own/", own)]
"""
PROXY, STRANGER = "127.0.0.1", "127.0.0.2"
MADE = re.compile("[0-9a-f]{32}")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A Django project with the settings of the docs."""
    return write_small_project(tmp_path / "project", settings=SETTINGS, urls=URLS)


def ask(site: Site, path: str, identifier: str, address: str) -> tuple[str, str]:
    """Send an ID from an address; return the response's ID, and its body."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, 10, (address, 0))
    connection.request("GET", path, headers={"X-Request-ID": identifier})
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.getheader("X-Request-ID", ""), body


def test_each_line_of_a_request_has_the_id_that_a_trusted_proxy_gave(new_site: NewSite, shop: Path) -> None:
    site = new_site(shop, FORWARDED_ALLOW_IPS=PROXY, ENTRYPOINT_LOG_FORMAT="json", WEB_CONCURRENCY="1").start().ready()
    assert ask(site, "/", "from.the-proxy:1", PROXY) == ("from.the-proxy:1", "from.the-proxy:1")
    assert ask(site, "/crash/", "broken/2", PROXY)[0] == "broken/2"
    ask(site, "/stream/", "stream-3", PROXY)
    assert ask(site, "/own/", "proxy-4", PROXY)[0] == "own"
    for forged in ("a b", 'x"y', "a" * 129, ""):
        assert MADE.fullmatch(ask(site, "/", forged, PROXY)[0])
    stranger, body = ask(site, "/", "forged-5", STRANGER)
    assert MADE.fullmatch(stranger)
    assert body == stranger
    assert site.stop()[0] == 0
    lines = [json.loads(line) for line in site.output.splitlines()]

    def of(identifier: str) -> set[tuple[str, str, str]]:
        return {
            (each["program"], each["level"], each["message"]) for each in lines if each.get("request_id") == identifier
        }

    assert of("from.the-proxy:1") == {("nginx", "info", "GET / 200"), ("uwsgi", "info", "shown")}
    assert of("broken/2") == {
        ("nginx", "error", "GET /crash/ 500"),
        ("uwsgi", "error", "GET /crash/ 500"),
        ("uwsgi", "warning", "about to fail"),
        ("uwsgi", "error", "Internal Server Error: /crash/"),
    }
    assert of("stream-3") == {("nginx", "info", "GET /stream/ 200"), ("uwsgi", "info", "streamed")}
    assert of(stranger) == {("nginx", "info", "GET / 200"), ("uwsgi", "info", "shown")}
    assert "forged-5" not in site.output
    (failed,) = (each for each in lines if each["message"] == "Internal Server Error: /crash/")
    assert "RuntimeError: the view has failed" in failed["traceback"]


def test_an_asynchronous_server_and_a_log_in_text_have_it_too(new_site: NewSite, shop: Path) -> None:
    site = new_site(shop, ENTRYPOINT_SERVER="uvicorn", WEB_CONCURRENCY="1").start().ready()
    made, body = ask(site, "/", "forged", PROXY)
    assert made == body
    crashed = ask(site, "/crash/", "forged", PROXY)[0]
    until(lambda: re.search(f'"GET /crash/ HTTP/1.1" 500 .* {crashed}\n', site.output), "the request in the log")
    until(lambda: f"[uvicorn] INFO shop: shown (request {made})\n" in site.output, "the view's line")
    until(
        lambda: f"ERROR django.request: Internal Server Error: /crash/ (request {crashed})" in site.output, "its error"
    )
    assert "forged" not in site.output
    assert site.stop()[0] == 0
