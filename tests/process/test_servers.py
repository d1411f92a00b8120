"""The options of the application servers, as they read them, and the application that they load."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rows import rows

if TYPE_CHECKING:
    from conftest import Command, Project

GUNICORN = str(Path(sys.executable).parent / "gunicorn")
OWN = "workers = 5\nkeepalive = 7\nproc_name = __file__\n"


@pytest.mark.parametrize(
    ("environ", "own", "read"),
    [
        ({"WEB_CONCURRENCY": "3"}, "", {"workers": "3", "timeout": "60", "preload_app": "True"}),
        ({"ENTRYPOINT_REQUEST_TIMEOUT": "7s"}, "", {"timeout": "7", "graceful_timeout": "8"}),
        ({"GUNICORN_CMD_ARGS": "--workers 4 --timeout 9"}, OWN, {"workers": "4", "timeout": "9", "keepalive": "7"}),
        ({"WEB_CONCURRENCY": "3"}, OWN, {"workers": "5", "keepalive": "7", "timeout": "60"}),
        ({"DJANGO_ENV": "development"}, "", {"reload": "True", "preload_app": "False"}),
        ({"ENTRYPOINT_NGINX": "off"}, "", {"accesslog": "-"}),
        ({}, "", {"accesslog": "None", "control_socket_disable": "True"}),
    ],
)
def test_gunicorn_reads_its_file(
    entrypoint: Command, plain: Path, environ: dict[str, str], own: str, read: dict[str, str]
) -> None:
    if own:
        (plain / "gunicorn.conf.py").write_text(own)
    found = as_gunicorn_reads(entrypoint, plain, environ)
    assert {name: found[name] for name in read} == read


@pytest.mark.parametrize(
    "name", rows(["it's", '"quoted"', "back\\slash", "{{ x }}", "100%", "ü 日本", "a#b"], ["it's", "back\\slash"])
)
def test_gunicorn_finds_the_users_own_file_wherever_it_is(
    entrypoint: Command, plain: Path, place: Path, name: str
) -> None:
    (plain / "gunicorn.conf.py").write_text(OWN)
    folder = plain.rename(place / name)
    found = as_gunicorn_reads(entrypoint, folder, {})
    assert found["proc_name"] == f"{folder}/gunicorn.conf.py"


def as_gunicorn_reads(entrypoint: Command, folder: Path, environ: dict[str, str]) -> dict[str, str]:
    environ = {**environ, "ENTRYPOINT_SERVER": "gunicorn", "ENTRYPOINT_APP": "hello:app"}
    rendered = entrypoint.run(folder, "prepare", "--only", "render", **environ)
    assert rendered.code == 0, rendered.err
    conf = f"{entrypoint.place}/run/gunicorn.conf.py"
    done = entrypoint.run_argv(folder, [GUNICORN, "--print-config", "--config", conf, "json:loads"], **environ)
    assert done.code == 0, done.err
    return dict(re.findall(r"(?m)^(\w+) += (.*)$", done.out))


@pytest.mark.parametrize(
    ("setting", "server", "line"),
    [
        ("", "uvicorn", "serve django.core.asgi:get_asgi_application() (ASGI) with uvicorn"),
        ("WSGI_APPLICATION = 'site_.wsgi.application'", "uvicorn", "serve site_.asgi:application (ASGI) with uvicorn"),
        ("ASGI_APPLICATION = 'site_.other.app'", "granian", "serve site_.other:app (ASGI) with granian"),
        ("WSGI_APPLICATION = 'site_.wsgi.application'", "granian", "serve site_.wsgi:application (WSGI) with granian"),
    ],
)
def test_the_application_is_the_one_that_django_names(
    entrypoint: Command, project: Project, setting: str, server: str, line: str
) -> None:
    project.add_setting(f"{setting}\n")
    project.write("site_/asgi.py", "")
    done = entrypoint.run(project.root, "--dry-run", ENTRYPOINT_SERVER=server)
    assert done.code == 0, done.err
    assert line in done.err
