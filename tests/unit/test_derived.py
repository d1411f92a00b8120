"""The effective values of settings that are not set, and why."""

from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from entrypoint.boot.decisions.derived import derived
from entrypoint.boot.facts.cgroup import Limits
from entrypoint.boot.facts.machine import Facts, Machine
from entrypoint.boot.settings import reference
from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.trust.accounts import Account
from entrypoint.protocol.agent import Application

DJANGO = Application(
    version="5.2",
    settings_module="site.settings",
    wsgi="site.wsgi:application",
    asgi="site.asgi:application",
    asynchronous=True,
    prefix="/venv",
    virtual=True,
    static_url="/static/",
    static_root="/srv/static",
    media_url="/media/",
    media_root="",
    allowed_hosts=(),
)
TLS = {"NGINX_TLS_CERTIFICATE": "/c", "NGINX_TLS_KEY": "/k"}


def machine(**different: Any) -> Machine:
    usual: dict[str, Any] = {
        "root": True,
        "account": Account(33, 33, (33,), "www-data", "www-data", "/var/www"),
        "app_dir": PurePosixPath("/app"),
        "django": True,
        "python": PurePosixPath("/app/.venv/bin/python"),
        "programs": {},
        "limits": Limits(2, 512 << 20),
        "descriptors": 1024,
        "backlog": 128,
        "ipv6": False,
        "own_run_dir": True,
        "temporary": PurePosixPath("/tmp"),
        "mime_types": True,
    }
    return Machine(**{**usual, **different})


def shown(
    environ: dict[str, str], name: str, machine: Machine | None, django: Application | None = DJANGO
) -> tuple[str | None, str]:
    """Return the value and the source of a setting, as `entrypoint env` shows them."""
    settings = Settings.read(environ)
    values = derived(settings, Facts(machine, django)) if machine else {}
    (row,) = (row for row in reference.rows(settings, values) if row.spec.name == name)
    return row.value, row.source_and_why


@pytest.mark.parametrize(
    ("environ", "different", "name", "wanted"),
    [
        ({}, {}, "PORT", ("80", "default: as root")),
        ({}, {"root": False}, "PORT", ("8080", "default: not root")),
        (TLS, {}, "PORT", ("443", "default: TLS, as root")),
        ({"PORT": "90"}, {}, "PORT", ("90", "environment")),
        ({}, {}, "WEB_CONCURRENCY", ("3", "default: 2 CPUs, 512 MiB")),
        ({"UWSGI_PROCESSES": "7"}, {}, "WEB_CONCURRENCY", ("7", "default: UWSGI_PROCESSES")),
        ({"DJANGO_ENV": "development"}, {}, "WEB_CONCURRENCY", ("", "default: runserver has no worker processes")),
        (
            {"ENTRYPOINT_PROGRAM_WEB": "serve"},
            {},
            "WEB_CONCURRENCY",
            ("", "default: web from ENTRYPOINT_PROGRAM_WEB serves the site"),
        ),
        ({}, {}, "NGINX_WORKER_PROCESSES", ("2", "default: 2 CPUs")),
        ({}, {}, "ENTRYPOINT_USER", ("www-data", "default: as root")),
        ({}, {}, "ENTRYPOINT_APP_DIR", ("/app", "default: the working directory")),
        ({}, {}, "ENTRYPOINT_PYTHON", ("/app/.venv/bin/python", "default: .venv in the application")),
        ({"VIRTUAL_ENV": "/app/.venv"}, {}, "ENTRYPOINT_PYTHON", ("/app/.venv/bin/python", "default: $VIRTUAL_ENV")),
        ({}, {}, "ENTRYPOINT_SERVER", ("uwsgi", "default: DJANGO_ENV=production")),
        ({"DJANGO_ENV": "development"}, {}, "ENTRYPOINT_SERVER", ("runserver", "default: DJANGO_ENV=development")),
        ({"DJANGO_ENV": "development"}, {}, "ENTRYPOINT_NGINX", ("off", "default: DJANGO_ENV=development")),
        (
            {"ENTRYPOINT_PROGRAMS": "worker", "ENTRYPOINT_PROGRAM_WORKER": "work"},
            {},
            "ENTRYPOINT_NGINX",
            ("", "default: this container serves no site"),
        ),
        ({"ENTRYPOINT_PROGRAM_WORKER": "work"}, {}, "ENTRYPOINT_PROGRAMS", ("web,worker", "default: all")),
        ({}, {}, "ENTRYPOINT_RUN_DIR", ("/run/entrypoint", "default: /run/entrypoint is writable")),
        (
            {},
            {"own_run_dir": False},
            "ENTRYPOINT_RUN_DIR",
            ("/tmp/entrypoint-33-80", "default: /run/entrypoint is not writable"),
        ),
        ({}, {}, "ENTRYPOINT_WAIT_FOR", ("", "default: only Django's databases")),
        ({}, {}, "ENTRYPOINT_APP", ("site.wsgi:application", "default: Django's WSGI_APPLICATION")),
        (
            {"ENTRYPOINT_SERVER": "uvicorn"},
            {},
            "ENTRYPOINT_APP",
            ("site.asgi:application", "default: Django's ASGI_APPLICATION"),
        ),
        ({}, {}, "DJANGO_SETTINGS_MODULE", ("site.settings", "default: manage.py")),
        ({}, {}, "NGINX_STATIC_ROOT", ("/srv/static", "default: Django's STATIC_ROOT")),
        ({}, {}, "NGINX_MEDIA_ROOT", ("", "default: Django's MEDIA_ROOT is not set")),
        ({}, {}, "SUPERUSER_EMAIL", (None, "not set")),
        ({}, {}, "ENTRYPOINT_MIGRATE", ("auto", "default")),
    ],
)
def test_effective_values_are_shown_with_their_reason(
    environ: dict[str, str], different: dict[str, Any], name: str, wanted: tuple[str | None, str]
) -> None:
    assert shown(environ, name, machine(**different)) == wanted


def test_defaults_that_only_django_knows_are_described_without_django() -> None:
    assert shown({}, "NGINX_STATIC_ROOT", machine(), None) == (None, "default: Django's STATIC_ROOT")


@pytest.mark.parametrize("name", ["PORT", "ENTRYPOINT_USER", "WEB_CONCURRENCY"])
def test_defaults_of_an_unknown_machine_are_described(name: str) -> None:
    value, source = shown({}, name, None)
    assert value is None
    assert source.startswith("default: ")


def test_without_an_application_the_rest_is_shown(tmp_path: Path) -> None:
    environ = {"ENTRYPOINT_APP_DIR": str(tmp_path)}
    assert shown(environ, "PORT", machine(django=False), None) == ("80", "default: as root")
    assert shown(environ, "ENTRYPOINT_SERVER", machine(django=False), None)[0] is None
