"""A site under application servers in further configurations; `test_every_server.py` shows what all of them do."""

import getpass
from pathlib import Path

import pytest
import requests
from deadline import PATIENCE, until
from rows import rows
from site_under_test import LATE, NewSite, Site, alive, stop_with_a_request_in_flight


def answer_of(site: Site, path: str = "/") -> requests.Response:
    return requests.get(site.url + path, timeout=PATIENCE)


def serving(site: Site) -> Site:
    site.start()
    until(lambda: site.code is not None or site.status("/") == 200, "the page")
    assert site.code is None, site.output
    return site


@pytest.mark.parametrize("server", ["uwsgi", "gunicorn"])
def test_a_site_without_nginx(plain_site: NewSite, server: str) -> None:
    settings = {**LATE, "ENTRYPOINT_SERVER": server, "ENTRYPOINT_NGINX": "off"}
    site = plain_site(**settings, WEB_CONCURRENCY="2").start().ready()
    assert site.command("health", "live").returncode == 0
    assert not site.programs("nginx")
    assert answer_of(site).text == "127.0.0.1"
    assert stop_with_a_request_in_flight(site) == (0, [200]), site.output
    assert site.command("health").returncode == site.command("health", "live").returncode == 1


@pytest.mark.parametrize("server", rows(["uwsgi", "gunicorn"], ["uwsgi"]))
def test_a_users_file_is_honoured(plain_site: NewSite, plain_project: Path, server: str) -> None:
    (plain_project / "uwsgi.ini").write_text("[uwsgi]\nprocesses = 3\nmaster = false\nenv = EXAMPLE=own\n")
    (plain_project / "gunicorn.conf.py").write_text(
        "workers = 3\nbind = '127.0.0.1:1'\nraw_env = [f'EXAMPLE={__file__}']\n"
    )
    settings = {**LATE, "ENTRYPOINT_SERVER": server, "WEB_CONCURRENCY": "2"}
    site = plain_site(**settings).start().ready()
    (master,) = site.programs(server)
    until(lambda: len(master.children()) == 3, "the workers")
    assert (
        f"read {plain_project}/{'uwsgi.ini' if server == 'uwsgi' else 'gunicorn.conf.py'}: it overrides " in site.output
    )
    assert stop_with_a_request_in_flight(site) == (0, [200]), site.output


def test_a_broken_application_ends_with_the_code_of_its_server(new_site: NewSite, project: Path) -> None:
    for name in ("wsgi", "asgi"):
        (project / "config" / f"{name}.py").write_text("def application(:\n")
    site = new_site(project, ENTRYPOINT_SERVER="granian").start()
    assert site.wait() == 1
    assert "granian failed permanently" in site.output


def test_a_whole_nginx_conf_is_honoured(plain_site: NewSite, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    site = plain_site(**LATE, ENTRYPOINT_CONF_DIR=str(own))
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


def test_a_killed_server_finds_its_socket_again(plain_site: NewSite) -> None:
    site = serving(plain_site(ENTRYPOINT_APP="plain:asgi", ENTRYPOINT_SERVER="uvicorn", WEB_CONCURRENCY="2"))
    (master,) = site.programs("uvicorn")
    master.kill()
    until(lambda: site.programs("uvicorn") not in ([], [master]), "another uvicorn")
    until(lambda: site.status("/") == 200, "the page again")
    assert site.stop()[0] == 0
