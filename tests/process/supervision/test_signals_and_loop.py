import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from deadline import ever_within, until
from rows import rows

from .rig import ROOT, Container, alive

SLEEP = "sleep 1000"

# Seconds: longer than an immediate reaction takes on a busy machine, shorter than a tick of supervisord's loop.
AT_ONCE = 0.9


@pytest.mark.parametrize("milliseconds", rows(range(0, 120, 8), range(0, 120, 24)))
def test_a_stop_is_never_lost_whenever_it_comes(container: Container, milliseconds: int) -> None:
    container.program("site", SLEEP, essential=True)
    container.start()
    end = time.monotonic() + milliseconds / 1000
    until(lambda: time.monotonic() >= end, "the moment")
    container.signal(signal.SIGTERM)
    assert container.code() == 0
    assert "killing 'site'" not in container.text()
    assert not container.pids()


def test_nothing_is_started_after_a_stop(container: Container) -> None:
    container.program("site", SLEEP, essential=True)
    container.start()
    container.signal(signal.SIGTERM)  # pending until supervisord's handlers stand
    assert container.code() == 0
    assert "spawned" not in container.text()


FORK = """\
import os, signal
from entrypoint.supervision import signals
pid = signals.fork()
if pid == 0:
    signal.pause()
print(os.getpgid(pid) == pid)
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
"""


def test_a_child_has_its_process_group_from_its_first_moment() -> None:
    # Stopped by SIGSTOP before it called setpgrp() itself, it would have no group that SIGKILL could reach.
    done = subprocess.run([sys.executable, "-c", FORK], check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "True\n"


def test_a_program_starts_with_no_signal_blocked_or_ignored(container: Container) -> None:
    container.program("site", "grep ^Sig /proc/self/status", "autorestart=false")
    container.start().said("exited: site")
    masks = dict(line.split(":\t") for line in container.lines("site"))
    # 32 and 33 are the C library's own, and nobody else can change what was inherited of them: nptl(7).
    ours = sum(1 << (number - 1) for number in signal.valid_signals())
    assert int(masks["SigBlk"], 16) & ours == int(masks["SigIgn"], 16) & ours == 0
    assert container.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_that_asks_for_no_stop_stops_nothing(container: Container, number: int) -> None:
    container.program("site", SLEEP, essential=True)
    container.start()
    container.signal(number)  # pending until supervisord's handlers stand
    pid = container.spawned("site")
    container.signal(number)
    assert container.ask("getProcessInfo", "site")["pid"] == pid
    assert container.stop() == 0


def once_within(seconds: float, folder: Path, measure: Callable[[Container], float]) -> bool:
    """Return whether one of several containers takes less: a tick makes all of them slow, a busy machine only some."""

    def take() -> float:
        container = Container(Path(tempfile.mkdtemp(dir=folder)))
        try:
            return measure(container)
        finally:
            container.end()

    return ever_within(seconds, take)


@pytest.mark.alone
def test_the_first_start_does_not_wait_for_a_tick(tmp_path: Path) -> None:
    def start(container: Container) -> float:
        container.program("site", container.script("site", "import time\nprint(time.monotonic())\ntime.sleep(1000)"))
        began = time.monotonic()
        container.start()
        started = float(until(lambda: container.lines("site"), "the start")[0])
        assert container.stop() == 0
        return started - began

    assert once_within(AT_ONCE, tmp_path, start)


@pytest.mark.alone
def test_a_killed_program_is_restarted_at_once_and_its_neighbour_lives_on(tmp_path: Path) -> None:
    def restart(container: Container) -> float:
        container.program("site", SLEEP, "startsecs=1", "autorestart=true", essential=True)
        container.program("neighbour", SLEEP)
        container.start()
        first, neighbour = container.spawned("site"), container.spawned("neighbour")
        container.said("success: site entered RUNNING state")  # it has lived for the second that a restart may wait
        killed = time.monotonic()
        os.kill(first, signal.SIGKILL)
        second = container.spawned("site", 2)
        took = time.monotonic() - killed
        assert alive(second)
        assert alive(neighbour)
        assert container.stop() == 0
        return took

    assert once_within(AT_ONCE, tmp_path, restart)


@pytest.mark.alone
def test_programs_that_have_ended_cost_a_stop_no_time(tmp_path: Path) -> None:
    def stop(container: Container) -> float:
        for number in range(5):
            container.program(f"job{number}", "true", "autorestart=false")
        container.start()
        for number in range(5):
            container.said(f"exited: job{number}")
        began = time.monotonic()
        assert container.stop() == 0
        return time.monotonic() - began

    assert once_within(2, tmp_path, stop)  # supervisord's own loop takes five seconds


@pytest.mark.alone
def test_startsecs_end_without_a_tick(tmp_path: Path) -> None:
    def start(container: Container) -> float:
        container.program("site", SLEEP, "startsecs=1")
        began = time.monotonic()
        container.start().said("success: site")
        took = time.monotonic() - began
        assert container.stop() == 0
        return took

    assert once_within(1 + AT_ONCE, tmp_path, start)


def test_an_idle_supervisord_does_not_wake_up(container: Container) -> None:
    container.program("site", SLEEP)
    container.start().said("success: site")

    def wakeups() -> int:
        status = Path(f"/proc/{container.pid}/status").read_text()
        return int(status.partition("voluntary_ctxt_switches:")[2].split()[0])

    until(lambda: _unchanged(wakeups, 2.5), "sleep")  # supervisord's own loop wakes up two or three times each time
    assert container.stop() == 0


def _unchanged(count: Callable[[], int], seconds: float) -> bool:
    before, end = count(), time.monotonic() + seconds
    until(lambda: time.monotonic() >= end, "time", seconds + 5)
    return count() == before


LISTENER = """\
import sys
seen = open("events", "a", buffering=1)
while True:
    sys.stdout.write("READY\\n"); sys.stdout.flush()
    headers = dict(pair.split(":") for pair in sys.stdin.readline().split())
    seen.write(headers["eventname"] + " " + sys.stdin.read(int(headers["len"])).replace("\\n", " ") + "\\n")
    sys.stdout.write("RESULT 2\\nOK"); sys.stdout.flush()
"""


def listen(container: Container, events: str) -> Path:
    """Add a listener; return the file into which it writes the events."""
    command = container.script("listener", LISTENER)
    container.sections = (
        f"[eventlistener:listener]\ncommand={command}\nevents={events}\nbuffer_size=100\nstartsecs=0\n"
        "stderr_logfile=NONE\n"
    )
    return container.home / "events"


@pytest.mark.alone
def test_an_event_listener_has_its_events_at_once(tmp_path: Path) -> None:
    def hear(container: Container) -> float:
        seen = listen(container, "PROCESS_STATE")
        container.program("site", SLEEP)
        container.start()
        site = container.spawned("site")
        killed = time.monotonic()
        os.kill(site, signal.SIGKILL)
        until(lambda: seen.exists() and "EXITED processname:site" in seen.read_text(), "the event")
        took = time.monotonic() - killed
        assert container.stop() == 0
        return took

    assert once_within(AT_ONCE, tmp_path, hear)


def test_an_event_listener_has_its_ticks(container: Container) -> None:
    seen = listen(container, "TICK_5")
    container.start()
    until(lambda: seen.exists() and "TICK_5" in seen.read_text(), "a tick")
    assert container.stop() == 0


def test_supervisorctl_is_answered_while_a_start_is_awaited(container: Container) -> None:
    container.program("site", SLEEP, "autostart=false", "startsecs=1")
    container.start()
    began = time.monotonic()
    assert container.ask("startProcess", "site") is True
    assert time.monotonic() - began > 0.9
    assert container.ask("getProcessInfo", "site")["statename"] == "RUNNING"
    assert container.stop() == 0


def test_hup_is_ignored_with_a_line_that_says_what_to_do_instead(container: Container) -> None:
    container.program("site", SLEEP, essential=True)
    container.start()
    container.signal(signal.SIGHUP)  # pending until supervisord's handlers stand
    container.said("WARN received SIGHUP: ignored; `entrypoint ctl signal HUP nginx` reloads nginx")
    container.said("ready after")
    pid = container.spawned("site")
    container.signal(signal.SIGHUP)
    container.said("WARN received SIGHUP: ignored", 2)
    assert container.ready_file.exists()
    assert container.ask("getProcessInfo", "site")["pid"] == pid
    assert alive(pid)
    assert container.stop() == 0


def test_a_reload_of_supervisord_starts_again_in_the_same_process(container: Container) -> None:
    container.program("site", SLEEP, essential=True)
    container.start()
    most: list[int] = []  # how many descriptors there were in the first round
    for times in (1, 2, 3):
        container.said("ready after", times)
        pid = container.spawned("site", times)
        assert container.ready_file.exists()
        if not most:
            most.append(container.descriptors())
        # The connection of the client that asked for the reload is closed a moment later.
        until(lambda: container.descriptors() <= most[0], "as many descriptors as before")
        if times < 3:
            container.ask("restart")
            container.spawned("site", times + 1)
            assert not alive(pid)
    os.kill(pid, signal.SIGKILL)
    assert container.spawned("site", 4)
    assert container.stop() == 0
    assert not container.ready_file.exists()


def test_a_stop_right_after_a_reload_is_not_lost(container: Container) -> None:
    container.program("site", SLEEP, essential=True)
    container.start().spawned("site")
    container.ask("restart")
    container.said("stopped: site")
    container.signal(signal.SIGTERM)
    assert container.code() == 0


def test_an_update_restarts_nothing_that_has_not_changed(container: Container) -> None:
    container.program("site", SLEEP, ready="notify")
    container.start().spawned("site")
    container.sections = "[program:added]\ncommand=sh -c 'echo hello; sleep 1000'\nstdout_logfile=NONE\n"
    container.configure()
    assert container.ask("reloadConfig") == [[["added"], [], []]]
    container.ask("addProcessGroup", "added")
    container.said("[added] hello")
    container.ask("stopProcess", "added")
    container.ask("removeProcessGroup", "added")
    assert container.stop() == 0
