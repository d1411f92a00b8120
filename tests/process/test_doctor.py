"""`entrypoint doctor` beside a project whose settings are wrong; containers are examined in tests/container."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Command, Project

KEY = "a-key-of-the-tests-that-is-long-enough"
WRONG = """
DEBUG = True
SECURE_SSL_REDIRECT = True
ALLOWED_HOSTS = [".example.com"]
"""


def test_findings_are_printed_with_their_remedy_and_end_with_1(
    entrypoint: Command, project: Project, place: Path, free_port: int
) -> None:
    project.add_setting(f"{WRONG}SECRET_KEY = '{KEY}'\n")
    environ = {"PORT": f"127.0.0.1:{free_port}", "NGINX_SERVER_NAME": "www.example.com, shop.example.org"}
    before = sorted(place.rglob("*"))
    done = entrypoint.run(project.root, "doctor", ENTRYPOINT_STOP_TIMEOUT="40s", **environ)
    assert (done.code, done.err) == (1, "")
    debug, fix, redirect, where, network, hosts, where_too, line, stop, engine, *_, count = done.out.splitlines()
    assert debug.startswith("DEBUG is on in site_.settings: ")
    assert fix.startswith("    set DEBUG = False, or ")
    assert (
        redirect == "SECURE_SSL_REDIRECT is on and no proxy is trusted: each request is redirected to https, endlessly"
    )
    assert where == "    in the environment, if nobody but your proxy connects from there:"
    assert network.startswith("        FORWARDED_ALLOW_IPS=")
    assert hosts == "NGINX_SERVER_NAME names shop.example.org, and ALLOWED_HOSTS does not: Django answers with 400"
    assert (where_too, line) == ("    in Django's settings:", '        ALLOWED_HOSTS += ["shop.example.org"]')
    assert stop.startswith("cannot be seen from inside: a stop may take 40 s: ")
    assert "docker run" in engine
    assert count == "3 problems"
    assert [path for path in sorted(place.rglob("*")) if "__pycache__" not in path.parts] == before

    project.add_setting("DEBUG = False\nALLOWED_HOSTS += ['shop.example.org']\nCSRF_TRUSTED_ORIGINS = ['https://x']\n")
    done = entrypoint.run(project.root, "doctor", FORWARDED_ALLOW_IPS="10.0.0.0/8", **environ)
    assert (done.code, done.out) == (0, "nothing is wrong\n")


def test_settings_and_an_application_that_cannot_be_read_are_findings(entrypoint: Command, project: Project) -> None:
    done = entrypoint.run(project.root, "doctor", "--format", "json", PORT="banana", WEB_CONCURRENCY="x")
    assert done.code == 1
    assert [each["problem"].split("=")[0] for each in json.loads(done.out)] == [
        "cannot use PORT",
        "cannot use WEB_CONCURRENCY",
    ]
    project.add_setting("import nowhere\n")
    done = entrypoint.run(project.root, "doctor", PORT="8080")
    assert done.code == 1
    assert done.out.startswith("cannot load the application: ModuleNotFoundError: No module named 'nowhere'")
    assert "    install the package that provides it\n" in done.out


def test_a_certificate_that_has_expired_is_a_finding(
    entrypoint: Command, project: Project, place: Path, free_port: int
) -> None:
    make = "openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=x -keyout site.key -out csr"
    sign = "openssl x509 -req -in csr -signkey site.key -days -1 -out site.pem"
    for command in (make, sign):
        subprocess.run(command.split(), cwd=place, check=True, capture_output=True)
    pair = {"NGINX_TLS_CERTIFICATE": str(place / "site.pem"), "NGINX_TLS_KEY": str(place / "site.key")}
    done = entrypoint.run(project.root, "doctor", PORT=f"127.0.0.1:{free_port}", **pair)
    assert done.out.startswith(f"the certificate {place}/site.pem expired ")
