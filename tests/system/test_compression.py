"""Compression by nginx: no response whose size could reveal a session's secret."""

from collections.abc import Iterator

import pytest
import requests
from deadline import PATIENCE
from site_under_test import Site

APP = """
import gzip

def app(environ, start_response):
    if environ["PATH_INFO"] == "/fails/":
        raise RuntimeError("fails")
    body = (environ.get("HTTP_ACCEPT_ENCODING", "none") + " text" * 1000).encode()
    headers = [("Content-Type", "text/plain")]
    if environ["PATH_INFO"] == "/own/" and "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
        body = gzip.compress(body)
        headers.append(("Content-Encoding", "gzip"))
    start_response("200 OK", [*headers, ("Content-Length", str(len(body)))])
    return [body]
"""
SESSION = {"Cookie": "theme=dark; sessionid=abc"}
OTHER = {"Cookie": "theme=dark; mysessionid=abc"}


@pytest.fixture(scope="module", params=["uwsgi", "gunicorn"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("compression")
    project = folder / "project"
    project.mkdir()
    (project / "shop.py").write_text(APP)
    (project / "static").mkdir()
    (project / "static" / "a.txt").write_text("text " * 1000)
    settings = {
        "ENTRYPOINT_APP": "shop:app",
        "ENTRYPOINT_SERVER": request.param,
        "NGINX_STATIC_URL": "/static/",
        "NGINX_STATIC_ROOT": str(project / "static"),
    }
    with Site(folder, project, **settings) as running:
        yield running.start().ready()
        assert running.stop()[0] == 0, running.output


def get(site: Site, path: str, **headers: str) -> requests.Response:
    return requests.get(site.url + path, headers={"Accept-Encoding": "gzip", **headers}, timeout=PATIENCE)


@pytest.mark.parametrize("path", ["/", "/own/"])
def test_a_page_of_a_session_is_not_compressed(site: Site, path: str) -> None:
    plain = get(site, path, **OTHER)
    assert (plain.headers.get("Content-Encoding"), plain.text.split()[0]) == ("gzip", "gzip")
    own = get(site, path, **SESSION)
    assert (own.headers.get("Content-Encoding"), own.text.split()[0]) == (None, "none")
    assert own.text.split()[1:] == plain.text.split()[1:]


def test_a_session_meets_the_same_errors(site: Site) -> None:
    gate = site.folder / "run" / "www" / "phase.json"
    failed = [get(site, "/fails/", **cookies) for cookies in (OTHER, SESSION)]
    assert failed[0].text == failed[1].text
    uwsgi = site.environment["ENTRYPOINT_SERVER"] == "uwsgi"  # it closes the connection, and nginx answers
    assert [answer.status_code for answer in failed] == [502 if uwsgi else 500] * 2
    gate.write_text('{"phase": "migrating"}')
    starting = [get(site, "/", **cookies) for cookies in (OTHER, SESSION)]
    gate.unlink()
    assert [(answer.status_code, answer.json()) for answer in starting] == [(503, {"phase": "migrating"})] * 2


def test_a_file_is_compressed_for_everyone(site: Site) -> None:
    assert get(site, "/static/a.txt", **SESSION).headers["Content-Encoding"] == "gzip"
