"""The record of the programs that the plugin writes for `entrypoint status`."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from deadline import until

from entrypoint.protocol.codec import read_json
from entrypoint.protocol.status_record import ProgramRecord, StatusRecord

from .test_clients import ctl

if TYPE_CHECKING:
    from .rig import Container

SLEEP = "sleep 1000"


def record(container: Container) -> StatusRecord:
    file = container.home / "programs.json"
    until(file.exists, "a record")
    return read_json(StatusRecord, file)


def program(container: Container, name: str) -> ProgramRecord:
    return next(each for each in record(container).programs if each.name == name)


def test_starts_and_ends_are_recorded_in_words(container: Container) -> None:
    once = "sh -c 'test -e once && exec sleep 1000; touch once; exit 22'"
    container.program("killed", SLEEP, restart="always", essential=True)
    container.program("failed", once, restart="always")
    container.program("missing", "/nowhere", restart="never")
    container.program("job", "true", restart="on-failure", ready="exit", essential=True)
    container.program("later", SLEEP, after=["never"])
    container.program("never", SLEEP, ready="unix:/nowhere")
    container.start()
    os.kill(container.spawned("killed"), signal.SIGKILL)
    container.spawned("failed", 2)
    pid = container.spawned("killed", 2)

    until(lambda: program(container, "killed").pid == pid and program(container, "killed").ready, "the second run")
    until(lambda: program(container, "job").ready and program(container, "failed").restarts, "the job")
    until(lambda: program(container, "never").why, "the first probe")
    killed, job = program(container, "killed"), program(container, "job")
    assert (killed.state, killed.ready, killed.essential, killed.restarts) == ("RUNNING", True, True, 1)
    assert killed.last_end == "killed by SIGKILL"
    assert killed.ended > 0
    assert program(container, "failed").last_end == "exit status 22"
    assert (job.state, job.ready, job.restarts, job.last_end, job.why) == ("EXITED", True, 0, "exit status 0", "")
    assert program(container, "missing").last_end == "can't find command '/nowhere'"
    assert program(container, "later").why == "waits for never"
    assert program(container, "never").why.startswith("never does not listen on /nowhere yet")
    assert record(container).pid == container.pid

    ctl(container, "stop", "killed")
    until(lambda: program(container, "killed").state == "STOPPED", "its stop")
    stopped = program(container, "killed")
    assert (stopped.pid, stopped.ready, stopped.last_end) == (0, False, "killed by SIGTERM")
    assert not record(container).stopping
    assert container.stop() == 0
    assert record(container).stopping


def test_a_restart_by_the_plugin_is_recorded_with_its_reason(container: Container) -> None:
    container.factory = "tests.process.supervision.hurried:make"
    container.program("a", SLEEP, restart="always", liveness="notify")  # it never sends WATCHDOG=1
    container.start().spawned("a", 2)
    until(lambda: program(container, "a").restarts, "its restart")
    assert program(container, "a").last_end.startswith("killed by SIGTERM: ")
    assert container.stop() == 0


def test_a_stop_is_recorded_before_the_first_program_is_stopped(container: Container) -> None:
    container.program("a", SLEEP)
    container.config["drain_seconds"] = 500
    container.start().spawned("a")
    until(lambda: program(container, "a").state == "RUNNING", "its start")
    container.signal(signal.SIGTERM)
    until(lambda: record(container).stopping, "the stop")
    assert program(container, "a").state == "RUNNING"
    container.signal(signal.SIGTERM)
    assert container.code() == 0
