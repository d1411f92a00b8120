"""A user's supervisord files: sections that would undo ours are refused."""

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
def test_programs_in_a_users_file_are_accepted_unchanged(text: str) -> None:
    assert told(text) == []


@pytest.mark.parametrize("section", ["supervisord", "unix_http_server", "supervisorctl", "rpcinterface:supervisor"])
def test_a_section_that_is_ours_is_refused(section: str) -> None:
    assert told(f"[program:x]\ncommand = a\n[{section}]\n") == [
        f"cannot use {PATH}: [{section}] is managed by entrypoint; define only programs here"
    ]


@pytest.mark.parametrize("section", ["group:nginx", "program: worker", "group:worker"])
def test_a_name_that_runs_already_is_refused(section: str) -> None:
    assert told(f"[{section}]\ncommand = a\n") == [
        f"cannot use {PATH}: [{section}] duplicates the name of another program"
    ]


OF_A_USUAL_IMAGE = """\
[program:app-uwsgi]
command = /usr/local/bin/uwsgi --ini /code/uwsgi.ini

; the front
[program:nginx-app]
command = /usr/sbin/nginx -g "daemon off;"
autorestart = true

[program:extra]
command = nginx-exporter
"""


def test_a_file_that_runs_the_servers_itself_is_refused_with_the_lines_to_delete() -> None:
    (line,) = problems({PATH: OF_A_USUAL_IMAGE}, {"nginx", "uwsgi"})
    remedy = "delete lines 1-2 ([program:app-uwsgi]) and lines 5-7 ([program:nginx-app])"
    assert line == f"cannot use {PATH}: entrypoint runs uwsgi and nginx itself; {remedy}"


def test_a_program_that_is_named_like_a_server_is_one() -> None:
    assert told("[program:nginx]\ncommand = run-it\n") == [
        f"cannot use {PATH}: entrypoint runs nginx itself; delete lines 1-2 ([program:nginx])"
    ]


@pytest.mark.parametrize("programs", [{"nginx"}, {"gunicorn"}, set()])
def test_a_server_that_this_boot_does_not_run_may_run_there(programs: set[str]) -> None:
    assert list(problems({PATH: "[program:spooler]\ncommand = uwsgi --ini spooler.ini\n"}, programs)) == []


def test_an_invalid_file_is_reported_with_its_line() -> None:
    (line,) = told("hello\n")
    assert line.startswith(f"cannot use {PATH}: File contains no section headers.")
    assert "line: 1" in line


def test_each_folder_is_included_once() -> None:
    assert patterns((PATH, PATH.with_name("b.conf"))) == (PurePosixPath("/etc/supervisor/conf.d/*.conf"),)
    assert patterns(()) == ()
