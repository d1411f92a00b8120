"""The boot and the stop of a whole site."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from deadline import PATIENCE, until
from rows import rows
from site_under_test import (
    LATE,
    NewSite,
    Site,
    alive,
    quick_hashing,
    step_lines,
    stop_with_a_request_in_flight,
)

STOPS = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT]


def test_a_first_boot_takes_the_steps_of_a_dry_run_and_a_second_finds_nothing_to_do(
    new_site: NewSite, tmp_path: Path
) -> None:
    admin = {"SUPERUSER_USERNAME": "admin", "SUPERUSER_PASSWORD": "correct-horse", **quick_hashing(tmp_path)}
    site = new_site(**admin, UWSGI_PROCESSES="3", WEB_CONCURRENCY="2")
    dry = site.command("--dry-run", "--format", "json")
    assert dry.returncode == 0, dry.stderr
    site.start().ready()
    assert step_lines(dry.stderr) == site.steps
    assert sum(" warning: UWSGI_PROCESSES=3 " in line for line in site.steps) == 1
    for file in json.loads(dry.stdout)["files"]:
        assert Path(file["path"]).read_text() == file["text"]
    assert site.command("--dry-run", "--diff").stdout == ""
    assert site.stop()[0] == 0

    length = len(site.output)
    site.start(extra={"ENTRYPOINT_LOG_LEVEL": "debug"}).ready()  # which shows uWSGI's banner
    second = site.output[length:]
    assert second.count("*** Starting uWSGI") == 1  # nothing was changed, and so nothing loaded twice
    for line in ("no migration is pending", "user admin exists", "static files up to date"):
        assert line in second
    assert site.stop()[0] == 0


def test_a_request_that_takes_too_long_is_ended_by_the_server_and_not_by_nginx(plain_site: NewSite) -> None:
    site = plain_site(ENTRYPOINT_REQUEST_TIMEOUT="5s").start().ready()
    assert site.status("/sleep/?s=30") == 502
    until(lambda: "HARAKIRI" in site.output, "uWSGI's word on it")
    assert "upstream timed out" not in site.output
    assert site.status("/") == 200
    assert site.stop()[0] == 0


@pytest.mark.parametrize("number", rows(STOPS, [signal.SIGTERM]))
def test_a_request_in_flight_is_answered(plain_site: NewSite, number: signal.Signals) -> None:
    site = plain_site(**LATE).start().ready()
    assert stop_with_a_request_in_flight(site, number) == (0, [200])


@pytest.mark.parametrize("number", rows(STOPS, [signal.SIGTERM]))
def test_a_stop_during_the_boot_ends_it_with_0(new_site: NewSite, number: signal.Signals) -> None:
    # No server listens on port 1, so the boot waits for the database until it is stopped.
    site = new_site(DATABASE_URL="postgres://nobody@127.0.0.1:1/none").start()
    until(lambda: "waiting for database default: " in site.output, "the wait")
    family = site.family()
    assert site.stop(number)[0] == 0
    assert not [member for member in family if alive(member)]
    assert f"stopped by {number.name}" in site.output


MOMENTS = (
    *("1. read", "start nginx", "start uwsgi", "validate", "collect static", "exec "),
    *("spawned: 'nginx'", "ready after"),
)


@pytest.mark.parametrize("mark", rows(MOMENTS, ["1. read", "start uwsgi", "exec "]))
def test_a_stop_at_any_early_moment_is_not_lost(new_site: NewSite, mark: str) -> None:
    site = new_site().start()
    until(lambda: mark in site.output, f"{mark!r} in the log")
    family = site.family()
    assert site.stop()[0] == 0, site.output
    assert not [member for member in family if alive(member)]


def test_a_broken_application_ends_with_the_code_of_its_server(new_site: NewSite, project: Path) -> None:
    (project / "config" / "wsgi.py").write_text("def application(:\n")
    site = new_site(project).start()
    assert site.wait() == 22
    why = "cannot load the application config.wsgi:application: SyntaxError: invalid syntax (config/wsgi.py, line 1)"
    assert f"[entrypoint] {why}\n[uwsgi]" in site.output
    # uWSGI ends before the exec, and with it the boot; or after it, and then supervisord says so.
    assert ("uwsgi failed permanently" in site.output) == ("spawned: 'uwsgi'" in site.output)
    assert site.output.count("no app loaded") == 1
    # Now nothing is migrated, so the server that boot itself has started is the only one. Whether it ends before the
    # exec or after it, the application is loaded once.
    first = len(site.output)
    assert site.start().wait() == 22
    second = site.output[first:]
    assert f"[entrypoint] {why}\n[uwsgi]" in second
    assert [second.count(mark) for mark in ("no app loaded", "*** Starting uWSGI")] == [1, 0]


def test_a_broken_migration_serves_nothing(new_site: NewSite, project: Path) -> None:
    (project / "pages" / "migrations" / "0002_broken.py").write_text(
        "from django.db import migrations\n"
        "def fail(apps, schema_editor):\n    raise RuntimeError('this one is broken')\n"
        "class Migration(migrations.Migration):\n"
        "    dependencies = [('pages', '0001_initial')]\n"
        "    operations = [migrations.RunPython(fail)]\n"
    )
    site = new_site(project).start()
    assert site.wait() == 1
    assert "RuntimeError: this one is broken" in site.output
    assert "spawned" not in site.output
    assert not (site.folder / "run" / "supervisord.pid").exists()
    assert site.status("/-/live") is None  # nginx, which served the starting page, is gone


def test_an_application_that_is_not_django_is_served(new_site: NewSite, tmp_path: Path) -> None:
    project = tmp_path / "plain"
    project.mkdir()
    (project / "hello.py").write_text(
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        "    return [b'hello']\n"
    )
    site = new_site(project, ENTRYPOINT_APP="hello:app").start().ready()
    assert requests.get(site.url, timeout=PATIENCE).text == "hello"
    assert site.stop()[0] == 0


@pytest.mark.thorough  # two sites on one machine are rare
def test_two_sites_run_side_by_side(
    prepared_site: NewSite, prepared: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    first = prepared_site().start()
    with Site(prepared(tmp_path_factory.mktemp("second"))) as second:
        second.start().ready()
        first.ready()
        assert second.stop()[0] == 0
        assert first.status("/") == 200
    assert first.stop()[0] == 0
