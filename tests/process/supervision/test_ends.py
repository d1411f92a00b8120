"""Each way a program can end: what the container then does, and its exit code."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from deadline import until
from rows import rows

from .rig import Container

SLEEP = "sleep 1000"

POLICIES = ("always", "on-failure", "never")

TRIED = 5
"""Starts of an essential program that comes up and dies each time."""


@dataclass(frozen=True)
class End:
    """An end of a program, and what must follow."""

    command: str
    code: int  # of the container, if the program is essential and not started again
    options: tuple[str, ...] = ()
    succeeds: bool = False  # it ends with 0
    attempts: int = TRIED  # starts of an essential program whose policy is to try again

    def starts(self, policy: str) -> int:
        """Return how often an essential program is started."""
        again = policy == "always" or (policy == "on-failure" and not self.succeeds)
        return self.attempts if again else 1


# As boot renders it for the application server, two failed starts are enough; with a time that no busy machine exceeds.
STARTS = ("startsecs=60", "startretries=1")

ENDS = {
    "exit 0": End("true", 1, succeeds=True),
    "exit 7": End("sh -c 'exit 7'", 7),
    "SIGKILL": End("sh -c 'kill -KILL $$'", 137),
    "SIGSEGV": End("sh -c 'kill -SEGV $$'", 139),
    "cannot be run": End("/etc", 126, attempts=0),
    "not found": End("/nowhere/at/all", 127, attempts=0),
    "cannot be executed": End("{home}/garbage", 127),
    "within 10 ms": End("sh -c 'exit 9'", 9, STARTS, attempts=2),
    "after ready": End("sh -c 'sleep 0.1; kill -KILL $$'", 137),
}

OTHER = ("all", "others")

CASES = [(name, policy) for name in ENDS for policy in POLICIES]
SLOW = ("exit 0", "always")  # given up only after some restarts
QUICK = [case for case in CASES if case != SLOW and (case[1] == "always" or case[0] in {"exit 0", "exit 7"})]


def configured(container: Container, name: str, policy: str, *, essential: bool) -> str:
    """Add the program of a case, and return its name."""
    end = ENDS[name]
    (container.home / "garbage").write_bytes(b"\x7fno program")
    (container.home / "garbage").chmod(0o755)
    program = f"{name} {policy}".replace(" ", "-")
    command = end.command.format(home=container.home)
    container.program(program, command, *end.options, essential=essential, restart=policy)
    return program


def starts(container: Container, program: str) -> int:
    return container.text().count(f"spawned: '{program}' with pid")


@pytest.fixture(scope="module")
def containers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[tuple[str, str], Container]]:
    """One container for each case, and one with all programs that are not essential. They run at once."""
    chosen = [item.callspec.params.get("case") for item in request.session.items if hasattr(item, "callspec")]
    cases = [case for case in CASES if case in chosen]
    made = {OTHER: Container(tmp_path_factory.mktemp("other"))}
    try:
        for case in cases:
            configured(made[OTHER], *case, essential=False)
        made[OTHER].program("site", SLEEP, essential=True)
        made[OTHER].start()
        for case in cases:
            made[case] = Container(tmp_path_factory.mktemp("essential"))
            configured(made[case], *case, essential=True)
            made[case].program("neighbour", SLEEP)
            made[case].start()
        yield made
    finally:
        for container in made.values():
            container.end()


@pytest.mark.parametrize("case", rows(CASES, QUICK), ids=" ".join)
def test_an_essential_program_ends_the_container(
    containers: dict[tuple[str, str], Container], case: tuple[str, str]
) -> None:
    name, policy = case
    container, end = containers[case], ENDS[name]
    program = f"{name} {policy}".replace(" ", "-")
    assert container.code() == end.code
    assert starts(container, program) == min(end.starts(policy), end.attempts)
    assert not container.pids()


@pytest.mark.parametrize("case", rows(CASES, QUICK), ids=" ".join)
def test_a_program_that_is_not_essential_does_not_end_the_container(
    containers: dict[tuple[str, str], Container], case: tuple[str, str]
) -> None:
    name, policy = case
    other, end = containers[OTHER], ENDS[name]
    program = f"{name} {policy}".replace(" ", "-")
    again = end.starts(policy) > 1
    if again:
        other.spawned(program, 4)  # and more, because it is never given up
        assert other.ask("getProcessInfo", program)["statename"] != "FATAL"
    else:
        state = "FATAL" if end.attempts < TRIED else "EXITED"
        until(lambda: other.ask("getProcessInfo", program)["statename"] == state, state)
        assert starts(other, program) == min(1, end.attempts)


def test_the_container_of_all_these_ends_well(containers: dict[tuple[str, str], Container]) -> None:
    assert containers[OTHER].stop() == 0
    assert starts(containers[OTHER], "site") == 1
    assert not containers[OTHER].pids()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("essential", [True, False], ids=["essential", "other"])
def test_a_crash_while_stopping_is_no_failure(container: Container, policy: str, *, essential: bool) -> None:
    dies_badly = container.script(
        "site", "import os, signal\nsignal.signal(15, lambda *_: os.abort())\nprint('up')\nsignal.pause()"
    )
    container.program("site", dies_badly, essential=essential, restart=policy)
    container.start().said("[site] up")
    assert container.stop() == 0
    assert starts(container, "site") == 1
    assert not container.pids()


def test_the_first_of_two_ends_gives_the_exit_code(container: Container) -> None:
    for name, code in (("first", 3), ("second", 4)):
        gate = container.home / name
        os.mkfifo(gate)
        container.program(name, f"sh -c 'read x <{gate}; exit {code}'", essential=True, restart="never")
    container.start()
    pids = [container.spawned(name) for name in ("first", "second")]
    _both_at_once(container, pids)
    code = container.code()
    first = next(line for line in container.lines("supervisord") if line.startswith("CRIT "))
    assert code == {"first": 3, "second": 4}[first.split()[1]]
    assert container.text().count("failed permanently") == 1


def _both_at_once(container: Container, pids: list[int]) -> None:
    """Let both end while supervisord is stopped, so that it finds both dead."""
    container.signal(signal.SIGSTOP)
    for name in ("first", "second"):
        (container.home / name).write_text("\n")
    until(lambda: all(Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z" for pid in pids), "two zombies")
    container.signal(signal.SIGCONT)
