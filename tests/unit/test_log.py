"""The lines that we write ourselves."""

import fcntl
import json
import os
import pty
import re
import struct
import termios
from datetime import datetime

import pytest

from entrypoint.output import log


@pytest.fixture(autouse=True)
def usual(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a log as it is at the start: a boot in this process may have left its last step."""
    monkeypatch.setattr(log, "_use", type(log._use)())  # noqa: SLF001 -- a process sets it once


def test_a_line_of_text_has_the_name_before_it(capfd: pytest.CaptureFixture[str]) -> None:
    log.tell("release", "done")
    assert capfd.readouterr().err == "[release] done\n"


def test_a_line_of_json_is_one_object(capfd: pytest.CaptureFixture[str]) -> None:
    log.use("json")
    log.tell("release", 'it said "ö"\n', "warning")
    (line,) = capfd.readouterr().err.splitlines()
    said = json.loads(line)
    assert datetime.fromisoformat(said.pop("time")).tzinfo
    assert said == {
        "program": "release",
        "stream": "stderr",
        "pid": os.getpid(),
        "level": "warning",
        "message": 'it said "ö"\n',
    }


def test_a_line_of_json_says_the_step_and_the_phase_of_the_boot(capfd: pytest.CaptureFixture[str]) -> None:
    log.use("json")
    log.at_step("migrate", "migrating")
    log.tell("application", '{"level": "ERROR", "msg": "no", "step": 2}')
    log.offer("nginx", "2026/11/26 00:01:02 [warn] 7#7: *3 a body is buffered", 1)
    log.tell_traceback("Traceback:\n  x\n")
    said = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [(each["level"], each["message"]) for each in said] == [
        ("error", "no"),
        ("warning", "a body is buffered"),
        ("error", "Traceback:\n  x"),
    ]
    assert [(each.get("step"), each.get("phase")) for each in said] == [
        ("migrate", "migrating"),
        (None,) * 2,
        ("migrate", "migrating"),
    ]
    assert said[0]["app_step"] == 2


@pytest.mark.parametrize(("level", "heard"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_lines_below_the_level_are_not_written(level: str, heard: int, capfd: pytest.CaptureFixture[str]) -> None:
    log.use("text", level)
    for each in log.LEVELS:
        log.tell(log.ENTRYPOINT, each, each)
    assert capfd.readouterr().err.splitlines() == [f"[entrypoint] {each}" for each in log.LEVELS[-heard:]]


def test_lines_of_other_programs_are_written_at_every_level(capfd: pytest.CaptureFixture[str]) -> None:
    log.use("text", "error")
    log.tell("application", "hello")
    assert capfd.readouterr().err == "[application] hello\n"


def test_text_may_begin_with_the_time(capfd: pytest.CaptureFixture[str]) -> None:
    log.use("text", timestamps=True)
    log.tell("release", "done")
    time, _, rest = capfd.readouterr().err.partition(" ")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time)
    assert rest == "[release] done\n"


def test_names_warnings_and_errors_have_colours(capfd: pytest.CaptureFixture[str]) -> None:
    log.use_terminal(terminal=True, colour=True)
    for level in ("info", "warning", "error"):
        log.tell(log.ENTRYPOINT, level, level)
    name = "\033[36m[entrypoint]\033[0m"
    assert capfd.readouterr().err.splitlines() == [
        f"{name} info",
        f"{name} \033[33mwarning\033[0m",
        f"{name} \033[31merror\033[0m",
    ]


def test_progress_is_a_line_a_second_at_most(capfd: pytest.CaptureFixture[str]) -> None:
    log._use.progress_due = 0  # noqa: SLF001 -- lines of another test may have been the last ones
    for done in range(1, 4):
        log.tell("application", f"migrated {done}/20", log.PROGRESS)
    log.tell("application", "migrated 20/20")
    assert capfd.readouterr().err.splitlines() == ["[application] migrated 1/20", "[application] migrated 20/20"]


def test_at_the_level_debug_each_progress_is_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    log.use("text", "debug")
    for done in range(1, 4):
        log.tell("application", f"migrated {done}/20", log.PROGRESS)
    assert len(capfd.readouterr().err.splitlines()) == 3


def test_on_a_terminal_progress_is_drawn_in_its_place() -> None:
    ours, theirs = pty.openpty()
    before = os.dup(2)
    os.dup2(theirs, 2)
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
        log.use_terminal(terminal=True, colour=False)
        log.tell("application", "migrated 1/20 " + "x" * 80, log.PROGRESS)
        log.tell("application", "migrated 2/20", log.PROGRESS)
        log.tell("application", "migrated 20/20")
        log.tell("application", "done")
    finally:
        os.dup2(before, 2)
        os.close(before)
    shown = ""
    while not shown.endswith("done\r\n"):  # one read may return less
        shown += os.read(ours, 4096).decode()
    os.close(theirs)
    os.close(ours)
    first = "[application] migrated 1/20 xxxxxxxxxxx"
    assert len(first) == 39
    assert shown == (
        f"\r{first}\033[0m\033[K\r[application] migrated 2/20\033[K"
        "\r\033[K[application] migrated 20/20\r\n[application] done\r\n"
    )
