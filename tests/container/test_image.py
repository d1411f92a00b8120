"""The example's image in a real container."""

import json
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
from deadline import PATIENCE, until
from docker_engine import Container, Engine, docker, example_image, log_in, output_of
from rows import rows
from site_under_test import holding

KEY = {"SECRET_KEY": "of-the-tests-alone-and-no-one-else"}
ADMIN = {**KEY, "SUPERUSER_USERNAME": "admin", "SUPERUSER_PASSWORD": "correct-horse"}
"""More than the key only where it matters: Django hashes a password in half a second."""


class Booted(NamedTuple):
    """A container that several tests share, and what its first boot has logged."""

    container: Container
    log: str


@pytest.fixture(
    scope="module", params=[pytest.param("3.11", marks=pytest.mark.thorough), "3.13"], ids="Python {}".format
)
def booted(request: pytest.FixtureRequest, _engine: None) -> Iterator[Booted]:
    with Engine() as engine:
        container = engine.run(example_image(request.param), ADMIN).ready()
        until(lambda: " ready after " in container.logs, "the last line")
        yield Booted(container, container.logs)


def test_the_example_boots(booted: Booted) -> None:
    container = booted.container
    page = requests.get(container.url, timeout=PATIENCE).text
    files = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert len(files) > 1
    assert [container.status(name) for name in files] == [200] * len(files)
    assert "Site administration" in log_in(container)
    assert container.exec("cat", "/proc/1/comm").stdout == "supervisord\n"
    assert container.exec("entrypoint", "health").returncode == 0
    as_application = docker("exec", "-u", "www-data", container.name, "entrypoint", "status", "--format", "json").stdout
    assert {each["memory_kind"] for each in json.loads(as_application)["programs"]} == {"pss", "rss"}  # nginx is root's
    assert "CRIT" not in booted.log


@pytest.mark.thorough  # tests/system/test_servers.py shows it without a container
def test_a_request_in_flight_is_answered_and_the_stop_is_clean(engine: Engine, image: str, tmp_path: Path) -> None:
    urls = tmp_path / "urls.py"
    urls.write_text(holding("/tmp/held", "/tmp/released"))
    tmp_path.chmod(0o755)
    options = ("-v", f"{urls}:/srv/project/pages/urls.py:ro", "--stop-timeout", "120")
    container = engine.run(image, {**KEY, "ENTRYPOINT_STOP_TIMEOUT": "110s"}, options=options).ready()
    answers: list[int] = []
    codes: list[int] = []
    client = threading.Thread(
        target=lambda: answers.append(requests.get(f"{container.url}/hold/", timeout=PATIENCE).status_code)
    )
    stop = threading.Thread(target=lambda: codes.append(container.stop()[0]))
    client.start()
    until(lambda: container.exec("test", "-e", "/tmp/held").returncode == 0, "the request to arrive")
    stop.start()
    until(lambda: "received SIGTERM" in container.logs, "the stop")
    container.exec("touch", "/tmp/released")
    stop.join()
    client.join()
    assert (codes, answers) == ([0], [200])


def test_the_log_of_a_first_boot_is_short_and_ends_with_the_address(booted: Booted) -> None:
    lines = booted.log.splitlines()
    assert len(lines) <= 40, booted.log
    assert "[uwsgi]" not in booted.log
    (ready,) = (line for line in lines if " ready after " in line)
    assert ready.endswith(" s: listening on port 80 of this container")


def test_a_second_start_migrates_nothing_and_creates_nobody(booted: Booted) -> None:
    container = booted.container
    assert "20 migrations applied" in booted.log
    assert "user admin created" in booted.log
    assert container.stop()[0] == 0
    first = len(container.logs)
    container.start().ready()
    second = container.logs
    assert len(second) > first
    assert second.count("migrations applied") == 1
    assert second.count("user admin created") == 1
    assert "no migration is pending" in second
    assert "user admin exists" in second


def test_a_broken_application_ends_the_container_with_the_code_of_uwsgi(
    engine: Engine, image: str, tmp_path: Path
) -> None:
    broken = tmp_path / "wsgi.py"
    broken.write_text("def application(:\n")
    tmp_path.chmod(0o755)
    options = ("-v", f"{broken}:/srv/project/config/wsgi.py:ro")
    container = engine.run(image, KEY, options=options)
    assert container.wait() == 22
    assert "SyntaxError" in container.logs


def test_any_other_word_runs_in_the_applications_environment(image: str) -> None:
    script = "import os; from django.conf import settings; print(os.getuid(), os.getcwd(), settings.ROOT_URLCONF)"
    done = output_of("-e", "SECRET_KEY=x", image, "python", "manage.py", "shell", "-v0", "-c", script)
    assert done.stdout == "33 /srv/project config.urls\n"
    assert "[entrypoint]" not in done.stderr


def _takes_term(container: Container) -> bool:
    masks = re.findall(r"^Sig(?:Blk|Cgt):\t(\w+)$", container.exec("cat", "/proc/1/status").stdout, re.MULTILINE)
    return any(int(mask, 16) & 1 << signal.SIGTERM - 1 for mask in masks)


@pytest.mark.parametrize("mark", rows(["", "1/", "migrated 3/", "8/", "exec ", "spawned: 'uwsgi'"], [""]))
def test_a_stop_at_any_moment_of_the_boot_is_quick_and_clean(engine: Engine, image: str, mark: str) -> None:
    container = engine.run(image, {**ADMIN, "ENTRYPOINT_LOG_LEVEL": "debug"})  # each migration is a line
    until(lambda: _takes_term(container), "the first act of process 1: the kernel drops a signal that came before it")
    until(lambda: mark in container.logs, f"{mark!r} in the log")
    code, _ = container.stop()
    assert code == 0, container.logs  # 137 if Docker had had to kill
