"""The stop signals of one program after the first: repeated ones, and those of the processes that it has started."""

import os
import sched
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from entrypoint.processes.children import children
from entrypoint.protocol.supervision import ProgramConfig, StopChildren
from entrypoint.supervision.internals import Program, State

CHILDREN_EVERY = 0.1
"""Seconds after which a stopping program's new children are looked for again."""


def begin(program: Program, config: ProgramConfig, timers: sched.scheduler) -> None:
    """Send the signals that `config` names until the program, which gets its first one now, has ended."""
    if interval := config.stop_interval:
        timers.enter(interval, 0, _repeat, (program, program.repeat_stop_signal, interval, timers))
    if config.stop_children:
        children = Children(program.pid, config.stop_children)
        timers.enter(0, 0, _repeat, (program, children.stop, CHILDREN_EVERY, timers))


def _repeat(program: Program, send: Callable[[], None], seconds: float, timers: sched.scheduler) -> None:
    if program.state is State.STOPPING:
        send()
        timers.enter(seconds, 0, _repeat, (program, send, seconds, timers))


class Children:
    """The direct children of one program, each of which gets one signal."""

    def __init__(self, pid: int, config: StopChildren) -> None:
        """Create this before the program gets its stop signal.

        If `config.late`, the program itself signals the children that have come up by now, so `stop` leaves them out.
        """
        self._pid = pid
        self._signal, self._handles = (signal.Signals[f"SIG{name}"] for name in (config.signal, config.handles))
        self._signalled = set(self._ready()) if config.late else set()

    def stop(self) -> None:
        """Signal each child that has come up and was not signalled yet."""
        for pid in self._ready():
            if pid not in self._signalled:
                self._signalled.add(pid)
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, self._signal)

    def _ready(self) -> Iterator[int]:
        return (pid for pid in children(self._pid) if _handles(pid, self._handles))


def _handles(pid: int, number: int) -> bool:
    """Return whether a process has a handler for a signal. False if it ignores the signal."""
    with suppress(OSError):  # it has ended
        caught = Path(f"/proc/{pid}/status").read_bytes().partition(b"\nSigCgt:")[2].split(maxsplit=1)[0]
        return bool(int(caught, 16) >> (number - 1) & 1)
    return False
