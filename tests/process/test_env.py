"""`entrypoint env`: for programs, for people, and with an unusable environment."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from deadline import PATIENCE

if TYPE_CHECKING:
    from conftest import Command, Project


@pytest.mark.parametrize("form", ["table", "markdown", "json", "dotenv", "schema"])
def test_each_format_goes_to_stdout_and_stdout_alone(entrypoint: Command, project: Project, form: str) -> None:
    done = entrypoint.run(project.root, "env", "--format", form)
    assert (done.code, done.err) == (0, "")
    assert "ENTRYPOINT_MIGRATE" in done.out
    assert done.out.endswith("\n")


def test_the_project_is_found_where_the_command_is_run(entrypoint: Command, project: Project) -> None:
    project.write("pyproject.toml", '[tool.entrypoint]\nmigrate = "check"\n')
    rows = json.loads(entrypoint.run(project.root, "env", "--format", "json").out)
    (migrate,) = (row for row in rows if row["name"] == "ENTRYPOINT_MIGRATE")
    assert (migrate["value"], migrate["origin"]) == ("check", "pyproject.toml")


def test_the_values_in_force_are_shown_also_those_that_django_knows(entrypoint: Command, project: Project) -> None:
    project.add_setting("STATIC_ROOT = '/srv/static'")
    done = entrypoint.run(project.root, "env", "--format", "json", PORT="")
    rows = {row["name"]: (row["value"], row["why"]) for row in json.loads(done.out)}
    assert rows["PORT"] in {("80", "as root"), ("8080", "not root")}
    assert rows["NGINX_STATIC_ROOT"] == ("/srv/static", "Django's STATIC_ROOT")
    assert rows["ENTRYPOINT_APP_DIR"] == (str(project.root), "the working directory")
    count, why = rows["WEB_CONCURRENCY"]
    assert int(count) >= 1
    assert " CPU" in why


@pytest.mark.parametrize(
    ("settings", "environ", "told"),
    [
        ("raise ValueError('broken')", {}, "warning: cannot load the application: ValueError: broken"),
        ("", {"ENTRYPOINT_APP_DIR": "/none"}, "warning: cannot use ENTRYPOINT_APP_DIR=/none: there is no such folder"),
        ("", {"WEB_CONCURENCY": "9"}, "warning: WEB_CONCURENCY is not a known name; did you mean WEB_CONCURRENCY?"),
    ],
)
def test_the_settings_are_shown_although_one_is_unusable(
    entrypoint: Command, project: Project, settings: str, environ: dict[str, str], told: str
) -> None:
    project.add_setting(settings)
    done = entrypoint.run(project.root, "env", **environ)
    assert done.code == 0
    assert done.err.startswith(f"[entrypoint] {told}")
    assert done.err.count("\n") == 1
    assert "\nENTRYPOINT_MIGRATE=auto (default)\n" in done.out


def test_a_pipe_gets_lines_that_fit_a_terminal_too(entrypoint: Command, project: Project) -> None:
    done = entrypoint.run(project.root, "env")
    assert max(len(line) for line in done.out.splitlines() if line.startswith(" ")) <= 80


def test_the_schema_and_the_reference_need_no_usable_environment(entrypoint: Command, project: Project) -> None:
    assert entrypoint.run(project.root, "env", "--format", "schema", PORT="http").code == 0
    assert entrypoint.run(project.root, "env", "--format", "markdown", PORT="http").code == 0
    done = entrypoint.run(project.root, "env", PORT="http")
    assert (done.code, done.out) == (78, "")
    assert done.err.startswith("[entrypoint] cannot use PORT=http: ")


def test_on_a_terminal_no_line_is_longer_than_it_is_wide(entrypoint: Command, project: Project) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 60))
    with os.fdopen(ours, "rb", buffering=0) as screen:
        with os.fdopen(theirs, "wb", buffering=0) as terminal:
            process = subprocess.Popen(
                [str(Path(sys.executable).parent / "entrypoint"), "env"],
                cwd=project.root,
                env=entrypoint.environment({}),
                stdin=subprocess.DEVNULL,
                stdout=terminal,
            )
        shown = b""
        try:
            while data := screen.read(65536):
                shown += data
        except OSError:  # EIO: the last process that had the terminal open has closed it
            pass
        assert process.wait(PATIENCE) == 0
    lines = shown.decode().splitlines()
    assert any(line.startswith("ENTRYPOINT_MIGRATE=auto (default)") for line in lines)
    assert max(map(len, lines)) <= 60
