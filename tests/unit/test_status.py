"""`entrypoint status`: the files that it reads, and its table."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from entrypoint.control import place, serving, status
from entrypoint.control.status import Row, Setting, Status
from entrypoint.control.status_table import duration, table
from entrypoint.errors import Unusable
from entrypoint.processes.table import Process, family, memory, processes, tree
from entrypoint.protocol.codec import to_json
from entrypoint.protocol.status_record import ProgramRecord, StatusRecord

if TYPE_CHECKING:
    from pathlib import Path

WEB = Row(
    program="uwsgi",
    state="RUNNING",
    ready=True,
    essential=True,
    pid=12,
    uptime=200.0,
    cpu=1.5,
    memory=45 << 20,
    restarts=0,
    last_end="",
    ended=None,
    why="",
    memory_kind="pss",
)
GONE = WEB._replace(ready=False, pid=None, uptime=None, cpu=None, memory=None, memory_kind=None)
HOG = GONE._replace(
    program="hog",
    state="BACKOFF",
    restarts=3,
    last_end="killed by SIGKILL",
    ended=940.0,
    why="waits for its restart",
)


def test_the_table_shows_each_program_and_why_one_is_not_ready() -> None:
    shown = table(Status(True, "", "running", (WEB, HOG), (Setting("PORT", "80", "environment"),)), now=1000.0)  # noqa: FBT003 -- as above
    lines = shown.splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["PROGRAM", "STATE", "READY", "PID", "UPTIME", "CPU", "MEMORY", "RESTARTS", "LAST", "END"],
        ["uwsgi", "RUNNING", "yes", "12", "3", "min", "20", "s", "2", "%", "45.0", "MiB", "PSS", "0"],
        ["hog", "BACKOFF", "no", "-", "-", "-", "-", "3", "killed", "by", "SIGKILL,", "1", "min", "ago"],
    ]
    assert lines[3:] == [
        "",
        "ready",
        "hog: waits for its restart",
        "",
        "settings that are set:",
        "  PORT=80 (environment)",
    ]


def test_no_line_controls_the_terminal() -> None:
    shown = table(Status(False, "not ready: \033[2J", "frozen", (WEB, HOG), ()), now=1000.0)  # noqa: FBT003 -- as above
    assert "\033" not in shown
    assert "supervisord is frozen" in shown


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1, "0 s"), (59.9, "59 s"), (60, "1 min"), (3725, "1 h 2 min"), (90000, "1 d 1 h")]
)
def test_a_time_is_shown_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_two_looks_at_the_metrics_become_a_line() -> None:
    before = {("uwsgi_request_seconds_count", ""): 10.0}
    after = {("uwsgi_request_seconds_count", ""): 20.0, ("server_listen_queue", "uwsgi"): 1.0}
    states = {("uwsgi_workers", "busy"): 2.0, ("uwsgi_workers", "idle"): 1.0, ("uwsgi_workers", "cheap"): 5.0}
    found = serving.between(before, {**after, **states}, 0.5)
    assert found is not None
    assert tuple(found) == ("uwsgi", 1, 2, 3, 20.0)
    assert serving.in_words(found) == "uwsgi: 2 of 3 workers busy, 1 connection waits, 20 requests/s"
    alone = found._replace(busy=1, workers=1, waiting=0)
    assert serving.in_words(alone) == "uwsgi: 1 of 1 worker busy, 0 connections wait, 20 requests/s"
    other = serving.between({}, {("server_listen_queue", "gunicorn"): 0.0}, 0.5)
    assert other is not None
    assert serving.in_words(other) == "gunicorn: 0 connections wait"
    assert serving.between(before, {}, 0.5) is None


def test_the_certificates_of_the_site_are_shown() -> None:
    samples = {("certificate_expiry_timestamp_seconds", file): at for file, at in (("/new", 8_640_000), ("/old", 940))}
    found = serving.expiries({**samples, ("ready", ""): 1.0})
    shown = table(Status(True, "", "running", (), (), certificates=found), now=1000.0)  # noqa: FBT003 -- as above
    assert shown.splitlines()[1:3] == [
        "the certificate expires in 99 d 23 h: /new",
        "the certificate expired 1 min ago: /old",
    ]


def test_the_tree_of_this_process_has_its_memory() -> None:
    found = processes()
    assert os.getppid() in found
    own = next(tree(os.getpid(), found))
    assert (own.parent, own.state) == (os.getppid(), "R")
    assert 0 < memory([own]).size < own.resident
    assert list(tree(0, {})) == []


def test_a_family_is_the_same_as_the_tree_also_where_a_thread_has_started_a_child() -> None:
    started: list[subprocess.Popen[str]] = []
    command = ["sh", "-c", "sleep 1000 & echo up; wait"]
    thread = threading.Thread(
        target=lambda: started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    )
    thread.start()
    thread.join()
    with started[0] as shell:
        assert shell.stdout
        shell.stdout.readline()
        everything = tree(os.getpid(), processes())
        assert sorted(each.pid for each in family(os.getpid())) == sorted(each.pid for each in everything)
        members = family(shell.pid)
        assert [each.parent for each in members] == [os.getpid(), shell.pid]
        for each in reversed(members):
            os.kill(each.pid, signal.SIGKILL)
    assert family(shell.pid) == ()


def test_a_family_may_have_more_children_than_a_page_of_the_kernel_names() -> None:
    many = "import os, signal\nif all(os.fork() for _ in range(1000)):\n    print(flush=True)\nsignal.pause()"
    with subprocess.Popen([sys.executable, "-c", many], stdout=subprocess.PIPE, start_new_session=True) as parent:
        assert parent.stdout
        parent.stdout.readline()
        members = family(parent.pid)
        os.killpg(parent.pid, signal.SIGKILL)
    assert len(members) == 1001


def test_a_tree_may_be_as_deep_as_its_processes_like() -> None:
    chain = {pid: Process(pid, pid - 1, "S", 0.0, 0.0, 0, 0) for pid in range(2, 5002)}
    assert {each.pid for each in tree(2, chain)} == chain.keys()


def test_a_missing_or_invalid_record_is_reported(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="nothing was started here with these settings: there is no "):
        status.read(tmp_path / "nowhere", ())
    (tmp_path / "www").mkdir()
    with pytest.raises(Unusable, match=r"nothing was started here with these settings$"):
        status.read(tmp_path, ())
    record = tmp_path / "www" / "programs.json"
    record.write_text("{", encoding="utf-8")
    with pytest.raises(Unusable, match="it is not a record of programs"):
        status.read(tmp_path, ())
    record.write_text(to_json(StatusRecord(os.getpid(), 1)), encoding="utf-8")  # the PID of another process by now
    with pytest.raises(Unusable, match="has ended"):
        status.read(tmp_path, ())
    (tmp_path / "www" / "phase.json").write_text('{"phase": "migrating", "done": 1, "of": 9}', encoding="utf-8")
    assert status.read(tmp_path, ()).waits_for == "starting: migrating 1/9"


def test_a_supervisord_that_has_just_begun_is_starting(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "cmdline").write_bytes(f"python3\0supervisord\0-c\0{tmp_path}/supervisord.conf\0".encode())
    found = status.read(tmp_path, (), proc=tmp_path)
    assert (found.supervisord, found.waits_for, found.programs) == ("starting", "starting", ())


def test_a_supervisord_that_does_not_answer_is_reported(tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    own = processes()[os.getpid()]
    gone = ProgramRecord("a", "RUNNING", (1 << 22) + 1, ready=True, essential=True)
    record = StatusRecord(own.pid, own.started, stopping=False, programs=(gone,))
    (tmp_path / "www" / "programs.json").write_text(to_json(record), encoding="utf-8")
    (tmp_path / "www" / "ready.json").touch()
    found = status.read(tmp_path, ())
    assert (found.supervisord, found.ready, found.programs[0].state) == ("unresponsive", False, "GONE")


def test_the_run_directory_is_that_of_process_1(tmp_path: Path) -> None:
    expected, usual = tmp_path / "expected", tmp_path / "usual"
    assert place.run_dir(expected, usual, tmp_path) == expected
    usual.mkdir()
    assert place.run_dir(expected, usual, tmp_path) == usual
    (tmp_path / "1").mkdir()
    command = tmp_path / "1" / "cmdline"
    command.write_bytes(b"python3\0-I\0supervisord\0-n\0-c\0/tmp/entrypoint-33-80/supervisord.conf\0")
    assert str(place.run_dir(expected, usual, tmp_path)) == "/tmp/entrypoint-33-80"
    command.write_bytes(b"sh\0-c\0")
    assert place.run_dir(expected, usual, tmp_path) == usual
