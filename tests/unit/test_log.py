"""The lines that we write ourselves."""

import json
import os
from collections.abc import Iterator
from datetime import datetime

import pytest

from entrypoint import log


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    yield
    log.use("text")


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


@pytest.mark.parametrize(("level", "heard"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_what_is_below_the_level_is_not_said(level: str, heard: int, capfd: pytest.CaptureFixture[str]) -> None:
    log.use("text", level)
    for each in log.LEVELS:
        log.tell(log.ENTRYPOINT, each, each)
    assert capfd.readouterr().err.splitlines() == [f"[entrypoint] {each}" for each in log.LEVELS[-heard:]]


def test_what_others_say_is_said_at_every_level(capfd: pytest.CaptureFixture[str]) -> None:
    log.use("text", "error")
    log.tell("application", "hello")
    assert capfd.readouterr().err == "[application] hello\n"
