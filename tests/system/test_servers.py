"""A site under each application server, behind nginx and without."""

import getpass
import json
import re
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import requests
from deadline import until
from site_under_test import NewSite, Site, alive, hold_requests, stop_with_a_request_in_flight

SERVERS = ["uwsgi", "gunicorn", "uvicorn", "granian"]


def answer_of(site: Site, path: str = "/") -> requests.Response:
    return requests.get(site.url + path, timeout=10)


def seen_from(site: Site, source: str, headers: Mapping[str, str]) -> Any:
    """Return what the application sees of a request from an address of this machine."""
    connection = HTTPConnection("127.0.0.1", site.port, timeout=10, source_address=(source, 0))
    with closing(connection):
        connection.request("GET", "/request/", headers=dict(headers))
        return json.loads(connection.getresponse().read())


def serving(site: Site) -> Site:
    site.start()
    until(lambda: site.code is not None or site.status("/") == 200, "the page")
    assert site.code is None, site.output
    return site


@pytest.mark.parametrize("server", SERVERS)
def test_a_site_behind_nginx(prepared_site: NewSite, project: Path, server: str) -> None:
    hold_requests(project)
    proxies = {"FORWARDED_ALLOW_IPS": "127.0.0.2 10.0.0.0/8"}
    site = serving(prepared_site(project, ENTRYPOINT_SERVER=server, WEB_CONCURRENCY="2", **proxies))
    site.ready()
    stylesheet = re.search(r'href="(/static/[^"]+\.css)"', answer_of(site).text)
    assert stylesheet
    assert site.status(stylesheet[1]) == 200
    claims = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "Forwarded": "for=203.0.113.9"}
    for source, scheme, client in (("127.0.0.1", "http", "127.0.0.1"), ("127.0.0.2", "https", "203.0.113.9")):
        seen = seen_from(site, source, claims)
        assert (seen["scheme"], seen["host"]) == (scheme, f"127.0.0.1:{site.port}")
        assert seen["x_forwarded_for"] == client
        if server != "granian":  # which knows no proxies: docs/how-to/choose-a-server.md
            assert seen["address"] == client
    assert stop_with_a_request_in_flight(site) == (0, [200]), site.output


@pytest.mark.parametrize("server", SERVERS)
def test_a_site_without_nginx(prepared_site: NewSite, project: Path, server: str) -> None:
    hold_requests(project)
    site = serving(prepared_site(project, ENTRYPOINT_SERVER=server, ENTRYPOINT_NGINX="off", WEB_CONCURRENCY="2"))
    until(lambda: site.command("health").returncode == 0, "the site to be ready")
    assert site.command("health", "live").returncode == 0
    assert not site.programs("nginx")
    assert answer_of(site, "/request/").json()["address"] == "127.0.0.1"
    assert stop_with_a_request_in_flight(site) == (0, [200]), site.output
    assert site.command("health").returncode == site.command("health", "live").returncode == 1


@pytest.mark.parametrize("server", ["uwsgi", "gunicorn"])
def test_a_file_of_ones_own_is_honoured(prepared_site: NewSite, project: Path, server: str) -> None:
    (project / "uwsgi.ini").write_text("[uwsgi]\nprocesses = 3\nmaster = false\nenv = EXAMPLE=own\n")
    (project / "gunicorn.conf.py").write_text("workers = 3\nbind = '127.0.0.1:1'\nraw_env = [f'EXAMPLE={__file__}']\n")
    hold_requests(project)
    site = prepared_site(project, ENTRYPOINT_SERVER=server, WEB_CONCURRENCY="2").start().ready()
    (master,) = site.programs(server)
    until(lambda: len(master.children()) == 3, "the workers")
    assert f"read {project}/{'uwsgi.ini' if server == 'uwsgi' else 'gunicorn.conf.py'}: it overrides " in site.output
    assert stop_with_a_request_in_flight(site) == (0, [200]), site.output


@pytest.mark.parametrize("server", ["gunicorn", "granian"])
def test_a_broken_application_ends_with_the_code_of_its_server(new_site: NewSite, project: Path, server: str) -> None:
    for name in ("wsgi", "asgi"):
        (project / "config" / f"{name}.py").write_text("def application(:\n")
    site = new_site(project, ENTRYPOINT_SERVER=server).start()
    assert site.wait() == 1
    assert f"{server} failed permanently" in site.output


def test_a_whole_nginx_conf_is_honoured(prepared_site: NewSite, project: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    hold_requests(project)
    site = prepared_site(project, ENTRYPOINT_CONF_DIR=str(own))
    include = "include nginx-app.conf;"
    scratch = " ".join(f"{name}_temp_path {tmp_path}/run/nginx/{name};" for name in ("client_body", "proxy", "uwsgi"))
    scratch += f" fastcgi_temp_path {tmp_path}/run/nginx/f; scgi_temp_path {tmp_path}/run/nginx/s;"
    (own / "nginx.conf").write_text(
        f"pid {tmp_path}/run/nginx/pid;\nuser {getpass.getuser()};\nevents {{}}\n"
        f"http {{ include mime.types; access_log off; add_header X-Own yes; {scratch}\n{include} }}\n"
    )
    site.start().ready()
    assert answer_of(site).headers["X-Own"] == "yes"
    assert site.command("health").stdout == "ready\n"
    assert stop_with_a_request_in_flight(site) == (0, [200]), site.output


def test_development_is_a_server_that_loads_changed_sources_again(prepared_site: NewSite, project: Path) -> None:
    site = serving(prepared_site(project, DJANGO_ENV="development"))
    assert not site.programs("nginx")
    urls = project / "pages" / "urls.py"
    with urls.open("a") as opened:
        opened.write("urlpatterns += [path('changed/', views.show_request)]\n")

    def changed() -> bool:
        urls.touch()  # Django looks for changes from a moment on that may come after the first answer
        return site.status("/changed/") == 200

    until(changed, "the change")
    family = site.family()
    assert site.stop()[0] == 0
    assert not [member for member in family if alive(member)]


def test_a_development_server_behind_nginx(prepared_site: NewSite) -> None:
    site = serving(prepared_site(DJANGO_ENV="development", ENTRYPOINT_NGINX="on"))
    assert site.status("/-/live") == 200
    assert answer_of(site, "/request/").json()["host"] == f"127.0.0.1:{site.port}"
    assert site.stop()[0] == 0


def test_an_asgi_application_that_is_not_django_is_served(new_site: NewSite, tmp_path: Path) -> None:
    project = tmp_path / "plain"
    project.mkdir()
    (project / "hello.py").write_text(
        "def make():\n"
        "    async def app(scope, receive, send):\n"
        "        if scope['type'] == 'http':\n"
        "            await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
        "            await send({'type': 'http.response.body', 'body': scope['client'][0].encode()})\n"
        "    return app\n"
    )
    site = serving(new_site(project, ENTRYPOINT_APP="hello:make()", ENTRYPOINT_SERVER="uvicorn"))
    assert answer_of(site).text == "127.0.0.1"
    assert site.stop()[0] == 0


def test_a_killed_server_finds_its_socket_again(prepared_site: NewSite) -> None:
    site = serving(prepared_site(ENTRYPOINT_SERVER="uvicorn", WEB_CONCURRENCY="2"))
    (master,) = site.programs("uvicorn")
    master.kill()
    until(lambda: site.programs("uvicorn") not in ([], [master]), "another uvicorn")
    until(lambda: site.status("/") == 200, "the page again")
    assert site.stop()[0] == 0
