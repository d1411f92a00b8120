"""Whether failed requests reach stderr, by what a Django project configures; a project's own logging stays as it is."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import entrypoint

SERVED = Path(entrypoint.__file__).parent / "app/served"
SCRIPT = r"""
import json, logging, sys, types
import django
from django.conf import settings
sys.path.append(sys.argv[1])
settings.configure(SECRET_KEY="s", **json.loads(sys.argv[2]))
django.setup()
loggers = [logging.getLogger(name) for name in ("", "django", "django.request", "django.security")]
before = [list(logger.handlers) for logger in loggers]
import entrypoint_logging
entrypoint_logging.log_failed_requests()
print(before == [list(logger.handlers) for logger in loggers])
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("django.request").error("Internal Server Error: %s", "/", exc_info=True)
logging.getLogger("django.security.csrf").warning("Forbidden (%s): %s", "CSRF cookie not set.", "/")
try:
    raise ValueError("/\x1b[2J")
except ValueError:
    logging.getLogger("django.security.SuspiciousFileOperation").error("/\nERROR forged\x1b[2J", exc_info=True)
extra = {"request": types.SimpleNamespace(META={"HTTP_X_ENTRYPOINT_UNTRUSTED": "X-Forwarded-Host came from evil.org"})}
logging.getLogger("django.security.DisallowedHost").error("Invalid HTTP_HOST header", extra=extra)
logging.getLogger("django.request").warning("Not Found: %s", "/favicon.ico")
"""
MAIL = {"class": "django.utils.log.AdminEmailHandler", "level": "ERROR"}
CONSOLE = {"class": "logging.StreamHandler"}
OURS = [
    "ERROR django.request: Internal Server Error: /",
    "WARNING django.security.csrf: Forbidden (CSRF cookie not set.): /",
    r"ERROR django.security.SuspiciousFileOperation: /\nERROR forged\x1b[2J",
    "ERROR django.security.DisallowedHost: Invalid HTTP_HOST header",
]


def logging_of(handler: dict[str, str], logger: str, **more: Any) -> dict[str, Any]:
    """Return a LOGGING where a logger has this handler."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"own": handler},
        "loggers": {logger: {"handlers": ["own"], **more}},
    }


def run(**settings: Any) -> tuple[bool, str]:
    """Return whether the loggers kept their handlers, and what they wrote to stderr."""
    command = [sys.executable, "-c", SCRIPT, str(SERVED), json.dumps({"LOGGING": {}, **settings})]
    environ = {**os.environ, "ENTRYPOINT_NGINX": "on"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environ)
    return done.stdout == "True\n", done.stderr


@pytest.mark.parametrize(
    "logging",
    [{}, logging_of(MAIL, "django.request"), logging_of(MAIL, "django.request", propagate=False)],
    ids=["Django's own", "mail alone", "mail alone, without parents"],
)
def test_a_failed_request_reaches_stderr_where_nothing_takes_it(logging: dict[str, Any]) -> None:
    _, err = run(LOGGING=logging, DEBUG=False)
    lines = err.splitlines()
    assert [line for line in lines if " django." in line] == OURS
    assert lines[1] == "Traceback (most recent call last):"
    assert "ZeroDivisionError: division by zero" in lines
    assert r"ValueError: /\x1b[2J" in lines


@pytest.mark.parametrize(
    "settings",
    [
        {"LOGGING": logging_of(CONSOLE, "")},
        {"LOGGING": logging_of(CONSOLE, "django.request")},
        {"LOGGING": logging_of({"class": "logging.FileHandler", "filename": "/dev/null"}, "django")},
        {"LOGGING": logging_of({"class": "logging.NullHandler"}, "django.request", propagate=False)},
        {"LOGGING": {**logging_of(CONSOLE, "site"), "disable_existing_loggers": True}},
        {"LOGGING_CONFIG": None},
        {"DEBUG": True},
    ],
    ids=["console", "console for requests", "file", "nothing on purpose", "disabled", "LOGGING_CONFIG", "DEBUG"],
)
def test_logging_that_a_project_configures_stays_as_it_is(settings: dict[str, Any]) -> None:
    same, err = run(**settings)
    assert same
    assert not set(OURS) & set(err.splitlines())
