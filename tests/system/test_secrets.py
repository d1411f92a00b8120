"""Secrets in every place that may hold one must not appear in anything that others can read."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pytest
from deadline import until
from site_under_test import EXAMPLE, Site, quick_hashing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from site_under_test import NewSite

PASSWORD = "planted-password-5d1c"
KEY = "planted-key-5d1c"
URL = "planted-url-5d1c"
FIELD = "planted-field-5d1c"
MARK = "5d1c"
LOOKS = [
    ("--dry-run",),
    ("--dry-run", "--format", "json"),
    ("--dry-run", "--diff"),
    *(("env", "--format", form) for form in ("table", "markdown", "json", "dotenv", "schema")),
    ("health",),
    ("check",),
]


def planted(folder: Path) -> dict[str, str]:
    """Return settings with a secret in each; one is in a file alone."""
    (folder / "key").write_text(KEY + "\n")
    return {
        "SUPERUSER_USERNAME": "admin",
        "SUPERUSER_PASSWORD": PASSWORD,
        "SUPERUSER_FIRST_NAME": FIELD,
        "SECRET_KEY": "",
        "SECRET_KEY_FILE": str(folder / "key"),
        "ENTRYPOINT_SECRETS": "SECRET_KEY",
        "BROKER_URL": f"redis://:{URL}@cache:6379/0",
    }


def command_lines(site: Site) -> str:
    found = ""
    for process in (psutil.Process(site.pid), *site.family()):
        with suppress(psutil.NoSuchProcess):
            found += " ".join(process.cmdline()) + "\n"
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, prepared: Callable[[Path], Path]) -> Iterator[Site]:
    """A site that is ready, with what could be seen of its processes meanwhile."""
    folder = prepared(tmp_path_factory.mktemp("planted"))
    seen = []
    with Site(folder, EXAMPLE, **planted(folder), **quick_hashing(folder)) as running:
        running.start()

        def booted() -> bool:
            seen.append(command_lines(running))
            return running.code is not None or running.status("/-/ready") == 200

        until(booted, "the site to be ready", longest=0.02)
        running.ready()
        (folder / "seen").write_text("".join(seen))
        yield running
        assert running.stop()[0] == 0, running.output
        assert MARK not in running.output


def test_no_command_line_shows_a_secret(site: Site) -> None:
    seen = (site.folder / "seen").read_text() + command_lines(site)
    assert "uwsgi.ini" in seen
    assert "app/__main__.py" in seen
    assert MARK not in seen


def test_no_file_of_the_run_directory_holds_a_secret(site: Site) -> None:
    files = [path for path in (site.folder / "run").rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [path for path in files if MARK.encode() in path.read_bytes()] == []


def test_the_log_shows_no_secret(site: Site) -> None:
    assert site.status("/") == 200
    assert site.status("/error/") == 500
    until(lambda: "Traceback" in site.output, "the crash in the log")
    assert MARK not in site.output


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_commands_that_look_at_the_site_show_no_secret(site: Site, words: tuple[str, ...]) -> None:
    done = site.command(*words)
    assert done.returncode == 0, done.stderr
    assert MARK not in done.stdout + done.stderr


def test_the_serving_programs_do_not_get_the_superusers_values(site: Site) -> None:
    environments = [process.environ() for process in (psutil.Process(site.pid), *site.family())]
    assert len(environments) > 3
    found = ["".join(environment.values()) for environment in environments]
    assert [text for text in found if PASSWORD in text or FIELD in text] == []
    (uwsgi,) = (process.environ() for process in site.programs("uwsgi"))
    assert (uwsgi["SECRET_KEY"], uwsgi["SUPERUSER_USERNAME"]) == (KEY, "admin")
    assert not {"SECRET_KEY_FILE", "SUPERUSER_PASSWORD"} & set(uwsgi)


def test_the_command_that_a_program_of_the_site_runs_is_not_refused(site: Site) -> None:
    (uwsgi,) = site.programs("uwsgi")
    site_environment, site.environment = site.environment, dict(uwsgi.environ())
    try:
        done = site.command("exec", "--", "true")
    finally:
        site.environment = site_environment
    assert (done.returncode, done.stderr) == (0, "")


def test_a_command_beside_the_site_has_the_password(site: Site) -> None:
    assert PASSWORD in site.command("exec", "--", "env").stdout


def test_a_boot_that_fails_shows_no_secret(new_site: NewSite, tmp_path: Path) -> None:
    environ = {
        **planted(tmp_path),
        "DATABASE_URL": f"postgres://site:{URL}@127.0.0.1:1/site",
        "ENTRYPOINT_WAIT_TIMEOUT": "300ms",
    }
    broken = new_site(**environ).start()
    assert broken.wait() == 75
    assert "cannot reach" in broken.output
    assert MARK not in broken.output


def test_a_refused_environment_shows_no_secret(new_site: NewSite, tmp_path: Path) -> None:
    environ = {**planted(tmp_path), "DJANGO_SUPERUSER_PASSWORD": f"other-{MARK}", "SUPERUSER_NICK_FILE": "/nowhere"}
    refused = new_site(**environ).start()
    assert refused.wait() == 78
    assert "they mean the same setting and have different values" in refused.output
    assert MARK not in refused.output
