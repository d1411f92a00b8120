"""Images that were built on tiangolo/uwsgi-nginx and -flask, on our base: only the line FROM differs."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import requests
from deadline import PATIENCE, until
from docker_engine import Container, Engine

pytestmark = pytest.mark.thorough  # tests/unit/test_compat.py shows each variable in seconds

PRESTART = '#! /usr/bin/env bash\necho "prestart by $(id -un)"\nexport FROM_PRESTART="seen in $PWD"\n'
COUNT = "import glob; print([open(each).read() for each in glob.glob('/proc/[0-9]*/comm')].count('uwsgi\\n'))"

FLASK = {
    "Dockerfile": """\
FROM tiangolo/uwsgi-nginx-flask:python3.11
ENV LISTEN_PORT 8080
EXPOSE 8080
ENV NGINX_MAX_UPLOAD 1m
ENV NGINX_WORKER_PROCESSES 2
ENV NGINX_WORKER_CONNECTIONS 2048
ENV NGINX_WORKER_OPEN_FILES 4096
ENV UWSGI_INI /app/conf/uwsgi.ini
ENV UWSGI_CHEAPER 3
ENV UWSGI_PROCESSES 5
ENV STATIC_URL /assets
ENV STATIC_PATH /app/assets
ENV STATIC_INDEX 1
COPY ./requirements.txt /app/requirements.txt
RUN pip install --no-cache-dir -r /app/requirements.txt
COPY ./app /app
""",
    "requirements.txt": "flask\n",
    "app/main.py": """\
import os

from flask import Flask, request

app = Flask(__name__)


@app.route("/page", methods=["GET", "POST"])
def page():
    return f"{os.environ['FROM_PRESTART']}, {len(request.get_data())} bytes"
""",
    "app/conf/uwsgi.ini": "[uwsgi]\nwsgi-file = /app/main.py\ncallable = app\n",
    "app/prestart.sh": PRESTART,
    "app/assets/index.html": "<p>the index</p>\n",
    "app/assets/site.css": "p { color: red }\n",
}

PLAIN = {
    "Dockerfile": "FROM tiangolo/uwsgi-nginx:python3.11\nCOPY ./app /app\n",
    "app/shop/web.py": """\
import os


def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.environ['FROM_PRESTART']}, {environ['SERVER_PORT']}".encode()]
""",
    "app/uwsgi.ini": "[uwsgi]\nmodule = shop.web\ncallable = wsgi\n",
    "app/prestart.sh": PRESTART,
    "app/nginx.conf": """\
user  nginx;
worker_processes  1;
error_log  /var/log/nginx/error.log warn;
pid        /var/run/nginx.pid;
events {
    worker_connections 1024;
}
http {
    include       /etc/nginx/mime.types;
    log_format  main  '$remote_addr "$request" $status';
    access_log  /var/log/nginx/access.log  main;
    client_max_body_size 0;
    server {
        listen 8000;
        location / {
            include uwsgi_params;
            uwsgi_pass unix:///tmp/uwsgi.sock;
        }
    }
}
daemon off;
""",
}


def built(engine: Engine, folder: Path, files: Mapping[str, str], base: str) -> str:
    """Build an image from its files, on our base instead of the one that it names."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    image, _, rest = files["Dockerfile"].partition("\n")
    assert image.startswith("FROM tiangolo/")
    (folder / "Dockerfile").write_text(f"FROM {base}\n{rest}")
    return engine.build(folder, "--network=host")


@pytest.fixture(scope="module")
def flask(base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    with Engine() as engine:
        yield engine.run(built(engine, tmp_path_factory.mktemp("flask"), FLASK, base), {}, port=8080).ready()


@pytest.fixture(scope="module")
def plain(base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    with Engine() as engine:
        container = engine.run(built(engine, tmp_path_factory.mktemp("plain"), PLAIN, base), {}, port=8000)
        until(lambda: not container.state["Running"] or container.status("/") == 200, "the site to answer")
        yield container


def test_the_log_says_what_is_used(flask: Container) -> None:
    assert (
        "tiangolo/uwsgi-nginx as that image does: /app has a main.py or uwsgi.ini; ENTRYPOINT_COMPAT=off turns this off"
        in flask.logs
    )
    assert "prestart by root" in flask.logs
    assert "warning" not in flask.logs


def test_pages_and_static_files(flask: Container) -> None:
    assert requests.get(f"{flask.url}/page", timeout=PATIENCE).text == "seen in /app, 0 bytes"
    assert requests.get(f"{flask.url}/assets/site.css", timeout=PATIENCE).text == FLASK["app/assets/site.css"]
    assert requests.get(flask.url, timeout=PATIENCE).text == FLASK["app/assets/index.html"]


def test_the_limit_of_uploads(flask: Container) -> None:
    assert (
        requests.post(f"{flask.url}/page", data=b"x" * (1 << 20), timeout=PATIENCE).text
        == "seen in /app, 1048576 bytes"
    )
    assert requests.post(f"{flask.url}/page", data=b"x" * ((1 << 20) + 1), timeout=PATIENCE).status_code == 413


def test_the_variables_of_nginx_and_uwsgi(flask: Container) -> None:
    configuration = flask.exec("nginx", "-e", "stderr", "-T", "-c", "/run/entrypoint/nginx.conf").stdout
    for line in (
        "worker_processes 2;",
        "worker_connections 2048;",
        "worker_rlimit_nofile 4096;",
        "client_max_body_size 1048576;",
        "listen 0.0.0.0:8080 default_server reuseport;",
    ):
        assert line in configuration
    assert flask.exec("python", "-c", COUNT).stdout == "4\n"  # the master and UWSGI_CHEAPER workers
    assert "5 workers as www-data; set by UWSGI_PROCESSES" in flask.logs
    assert flask.exec("entrypoint", "health").returncode == 0  # it knows LISTEN_PORT too


def test_an_nginx_conf_of_the_images_own(plain: Container) -> None:
    assert requests.get(f"{plain.url}/shop", timeout=PATIENCE).text == "seen in /app, 8000", plain.logs
    until(lambda: '"GET /shop HTTP/1.1" 200' in plain.logs, "the access log")
    assert plain.exec("entrypoint", "health").returncode == 0
    assert plain.exec("stat", "-c", "%U", "/run/entrypoint/app/uwsgi.sock").stdout == "www-data\n"


def test_both_stop_cleanly(flask: Container, plain: Container) -> None:
    assert [container.stop()[0] for container in (flask, plain)] == [0, 0]
