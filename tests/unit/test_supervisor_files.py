"""Files of supervisord's configuration of the user's own: what in them would undo ours."""

from pathlib import PurePosixPath

import pytest

from entrypoint.boot.files.supervisor_files import patterns, problems

PATH = PurePosixPath("/etc/supervisor/conf.d/a.conf")


def told(text: str) -> list[str]:
    return list(problems({PATH: text}, {"nginx", "worker"}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[program:extra]\ncommand = a %(ENV_HOME)s ; comment\n[group:both]\nprograms = extra\n",
        "[eventlistener:mail]\ncommand = a\n",
        "; [supervisord]\n",
        "[program:extra]\ncommand = a\n  [supervisord]\n",
        "[inet_http_server]\nport = 127.0.0.1:9001\n",
        "[program:a]\ncommand = x\n[program:a]\ncommand = y\n",
    ],
)
def test_programs_are_taken_as_they_are(text: str) -> None:
    assert told(text) == []


@pytest.mark.parametrize("section", ["supervisord", "unix_http_server", "supervisorctl", "rpcinterface:supervisor"])
def test_a_section_that_is_ours_is_refused(section: str) -> None:
    assert told(f"[program:x]\ncommand = a\n[{section}]\n") == [
        f"cannot use {PATH}: [{section}] is managed by entrypoint; define only programs here"
    ]


@pytest.mark.parametrize("section", ["program:nginx", "program: worker", "group:worker"])
def test_a_name_that_runs_already_is_refused(section: str) -> None:
    assert told(f"[{section}]\ncommand = a\n") == [
        f"cannot use {PATH}: [{section}] duplicates the name of another program"
    ]


def test_what_is_no_configuration_is_told_with_its_line() -> None:
    (line,) = told("hello\n")
    assert line.startswith(f"cannot use {PATH}: File contains no section headers.")
    assert "line: 1" in line


def test_each_folder_is_included_once() -> None:
    assert patterns((PATH, PATH.with_name("b.conf"))) == (PurePosixPath("/etc/supervisor/conf.d/*.conf"),)
    assert patterns(()) == ()
