import os
import re
import signal
from itertools import pairwise

import pytest
from deadline import until

from .rig import Container, alive

SLEEP = "sleep 1000"


@pytest.mark.parametrize(
    ("command", "code", "reason"),
    [
        ('sh -c "exit 3"', 3, "exit status 3"),
        ('sh -c "exit 0"', 1, "exit status 0"),
        ('sh -c "kill -SEGV $$"', 139, "killed by SIGSEGV"),
        ("/nowhere/at/all", 127, "can't find command '/nowhere/at/all'"),
        ("/", 126, "command at '/' is a directory"),
    ],
)
def test_the_container_ends_with_the_code_of_its_essential_program(
    container: Container, command: str, code: int, reason: str
) -> None:
    container.program("neighbour", SLEEP)
    container.program("site", command, "autorestart=false", essential=True)
    container.start()
    assert container.code() == code
    assert f"[supervisord] CRIT site failed permanently ({reason}): stopping all, exit code {code}" in container.lines()
    assert not container.pids()


def test_a_program_that_dies_before_it_counts_as_started_ends_with_its_code(container: Container) -> None:
    container.program("site", 'sh -c "exit 7"', "startsecs=1", essential=True)
    container.start()
    assert container.code() == 7


def test_a_killed_program_ends_the_container_with_137(container: Container) -> None:
    container.program("site", SLEEP, "autorestart=false", essential=True)
    container.start()
    os.kill(container.spawned("site"), signal.SIGKILL)
    assert container.code() == 137


def test_a_program_that_is_not_essential_may_fail_permanently(container: Container) -> None:
    container.program("extra", 'sh -c "exit 3"', "autorestart=false")
    container.program("site", SLEEP, essential=True)
    container.start().said("exited: extra")
    assert container.stop() == 0


def test_a_program_that_the_supervision_config_does_not_name_may_fail(container: Container) -> None:
    container.sections = "[program:theirs]\ncommand=sh -c 'exit 3'\nautorestart=false\nstartsecs=0\n"
    container.program("site", SLEEP, essential=True)
    container.start().said("exited: theirs")
    assert container.stop() == 0


def test_the_first_permanent_failure_gives_the_exit_code(container: Container) -> None:
    dies_badly = container.script(
        "second",
        "import signal, sys\nsignal.signal(15, lambda *_: sys.exit(9))\nprint('up')\nsignal.pause()",
    )
    container.program("second", dies_badly, "autorestart=false", essential=True)
    container.program("first", 'sh -c "read never; exit 4"', "autorestart=false", essential=True)
    container.start().said("[second] up")
    container.ask("sendProcessStdin", "first", "end\n")
    assert container.code() == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_stop_that_was_asked_for_is_no_failure(container: Container, number: int) -> None:
    dies_badly = container.script(
        "site",
        "import signal, sys\nsignal.signal(15, lambda *_: sys.exit(5))\nprint('up')\nsignal.pause()",
    )
    container.program("site", dies_badly, essential=True)
    container.start().said("[site] up")
    container.signal(number)
    assert container.code() == 0


def test_a_program_that_an_administrator_stops_has_not_failed(container: Container) -> None:
    container.program("site", SLEEP, essential=True)
    container.start()
    first = container.spawned("site")
    container.ask("stopProcess", "site")
    assert not alive(first)
    container.ask("startProcess", "site")
    assert container.spawned("site", 2) != first
    assert container.stop() == 0


def test_a_crash_loop_is_given_up(container: Container) -> None:
    container.program("site", SLEEP, "autorestart=true", essential=True)
    container.start()
    for times in range(1, 6):
        os.kill(container.spawned("site", times), signal.SIGKILL)
    assert container.code() == 137
    assert container.said("gave up: site crashed 5 times within 60 s")
    assert container.text().count("spawned: 'site'") == 5


@pytest.mark.thorough  # the same limit as of a crash loop
def test_an_essential_program_that_always_ends_well_is_given_up_too(container: Container) -> None:
    done = container.script("done", "")
    container.program("site", done, "autorestart=true", "startsecs=0", essential=True)
    container.start()
    assert container.code() == 1
    assert container.said("gave up: site crashed 5 times within 60 s")


def test_after_the_first_restart_the_others_wait(container: Container) -> None:
    stamps = container.home / "stamps"
    stamp = container.script(
        "stamp",
        f"import sys, time\nopen({str(stamps)!r}, 'a').write(f'{{time.monotonic()}}\\n')\nsys.exit(1)",
    )
    container.program("site", stamp, "autorestart=true")
    container.program("chatter", "sh -c 'while sleep 0.01; do echo; done'")  # its neighbours' output does not hurry it
    container.start()
    until(lambda: stamps.exists() and len(stamps.read_text().split()) >= 4, "four starts")
    times = [float(each) for each in stamps.read_text().split()]
    _, second, third = (later - earlier for earlier, later in pairwise(times[:4]))
    assert second >= 0.8
    assert third >= 1.6
    told = re.findall(r"spawned: 'site'|restarting site in 2 s", container.text())
    assert told[:5] == [*(["spawned: 'site'"] * 3), "restarting site in 2 s", "spawned: 'site'"]
    assert container.stop() == 0
