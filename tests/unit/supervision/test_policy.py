import signal

import pytest

from entrypoint.protocol.probe import Probe
from entrypoint.protocol.supervision import ProgramConfig, Restart
from entrypoint.supervision.policy import (
    CRASHES,
    FIRST,
    HEALTHY,
    JITTER,
    LONGEST,
    WINDOW,
    End,
    Restarts,
    starts_again,
)

WELL, BADLY, KILLED = 0, 7 << 8, 9


def steady() -> Restarts:
    return Restarts(jitter=lambda: 0)


def test_the_first_restart_is_at_once() -> None:
    restarts = steady()
    restarts.started(0)
    restarts.crashed(0.01)
    assert restarts.due(0.01) == 0


def test_further_restarts_wait_twice_as_long_up_to_a_limit() -> None:
    restarts, now, waits = steady(), 0.0, []
    for _ in range(9):
        restarts.started(now)
        restarts.crashed(now)
        waits.append(restarts.due(now))
        now += waits[-1]
    assert waits == [0, 1, 2, 4, 8, 16, LONGEST, LONGEST, LONGEST]


def test_many_containers_do_not_come_back_at_once() -> None:
    waits = set()
    for _ in range(20):
        restarts = Restarts()
        restarts.started(0)
        restarts.crashed(0)
        restarts.crashed(0)
        waits.add(restarts.due(0))
    assert len(waits) > 1
    assert all(FIRST * (1 - JITTER) <= wait <= FIRST * (1 + JITTER) for wait in waits)


def test_a_healthy_time_makes_the_next_restart_immediate() -> None:
    restarts = steady()
    for now in (0.0, 0.1, 1.2):
        restarts.started(now)
        restarts.crashed(now)
    restarts.started(4)
    restarts.crashed(4 + HEALTHY)
    assert restarts.due(4 + HEALTHY) == 0


def test_a_program_that_ends_well_is_no_busy_loop() -> None:
    restarts = steady()
    restarts.started(10)
    restarts.ended_well(10.25)
    assert restarts.due(10.25) == FIRST - 0.25
    restarts.started(11)
    restarts.ended_well(15)
    assert restarts.due(15) == 0


def test_too_many_crashes_are_hopeless() -> None:
    restarts = steady()
    for crash in range(CRASHES):
        assert not restarts.hopeless(crash)
        restarts.crashed(crash)
    assert restarts.hopeless(CRASHES)
    restarts.forget()
    assert not restarts.hopeless(CRASHES)


def test_rare_crashes_are_not_hopeless() -> None:
    restarts = steady()
    for crash in range(3 * CRASHES):
        now = crash * (WINDOW / (CRASHES - 1) + 0.1)
        restarts.crashed(now)
        assert not restarts.hopeless(now)


def test_a_program_that_always_crashes_waits_no_longer_after_a_year() -> None:
    restarts = steady()
    restarts.started(0)
    for _ in range(2000):
        restarts.crashed(0)
    assert restarts.due(0) == LONGEST


@pytest.mark.parametrize(
    ("restart", "status", "again"),
    [
        (Restart.ALWAYS, WELL, True),
        (Restart.ALWAYS, BADLY, True),
        (Restart.ALWAYS, None, True),
        (Restart.ON_FAILURE, WELL, False),
        (Restart.ON_FAILURE, BADLY, True),
        (Restart.ON_FAILURE, KILLED, True),
        (Restart.ON_FAILURE, None, True),
        (Restart.NEVER, WELL, False),
        (Restart.NEVER, BADLY, False),
    ],
)
@pytest.mark.parametrize("configured", [False, True])
def test_the_policy_decides_whatever_the_configuration_says(
    restart: Restart,
    status: int | None,
    again: bool,  # noqa: FBT001 - a row of the table
    configured: bool,  # noqa: FBT001 - likewise
) -> None:
    assert starts_again(ProgramConfig(restart=restart), status, replaced=False, configured=configured) is again


def test_a_program_that_supervision_stopped_is_started_again_unless_restart_is_never() -> None:
    again = {
        restart: starts_again(ProgramConfig(restart=restart), WELL, replaced=True, configured=False)
        for restart in (*Restart, None)
    }
    assert again == {Restart.ALWAYS: True, Restart.ON_FAILURE: True, Restart.NEVER: False, None: True}


def test_a_one_shot_that_has_succeeded_is_done() -> None:
    config = ProgramConfig(ready=Probe.parse("exit"), restart=Restart.ALWAYS)
    assert not starts_again(config, WELL, replaced=False, configured=True)
    assert starts_again(config, BADLY, replaced=False, configured=False)


def test_without_a_policy_the_configuration_decides() -> None:
    assert starts_again(ProgramConfig(), WELL, replaced=False, configured=True)
    assert not starts_again(ProgramConfig(), BADLY, replaced=False, configured=False)


@pytest.mark.parametrize(
    ("wait_status", "failure"),
    [
        (3 << 8, End(3, "exit status 3")),
        (0, End(1, "exit status 0")),
        (255 << 8, End(255, "exit status 255")),
        (signal.SIGKILL, End(137, "killed by SIGKILL")),
        (signal.SIGSEGV | 0x80, End(139, "killed by SIGSEGV")),  # 0x80: with a core dump
        (40, End(168, "killed by signal 40")),
    ],
)
def test_a_permanent_failure_has_the_exit_code_of_a_shell(wait_status: int, failure: End) -> None:
    assert End.of_status(wait_status) == failure
