"""Reaps ended processes: the programs with their process groups, and the orphans that process 1 inherits."""

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

from entrypoint.supervision.internals import Program, State

FINISHING = 0.02
"""Seconds between two checks of a group whose leader has ended: its members are not our children, so no signal reports
their end."""


class Reaper:
    """Replaces supervisord's waitpid(), which would reap at most a hundred orphans a second."""

    def __init__(self, program_with: Callable[[int], Program | None], ended: Callable[[int, int], None]) -> None:
        """`program_with` returns the program that supervisord has started with a PID, None for any other process.

        `ended` gets the PID and the raw wait status of every process that has ended.
        """
        self._program_with = program_with
        self._ended = ended
        self._finishing: dict[int, int] = {}
        self.more = False
        """Whether the last call found a process: supervisord stops calling after a hundred."""

    def wait(self) -> tuple[int | None, int | None]:
        """Return PID and raw wait status of a program that has ended, (None, None) if there is none.

        Orphans are reaped silently. If the leader of a program's group has ended by itself, the group is killed:
        workers whose master has died would keep its port. If the leader (a shell, for example) has ended because of a
        stop, the group gets SIGTERM, and the program counts as ended when the whole group has; supervisord kills the
        group at the stop timeout.
        """
        self.more = False
        while (pid := self._dead()) is not None:
            program = self._program_with(pid)
            stopping = program is not None and program.state is State.STOPPING
            if program:  # before the leader is reaped: until then no other group can have its number
                _signal_group(pid, signal.SIGTERM if stopping else signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            if stopping:
                self._finishing[pid] = status
            elif program:
                return self._end(pid, status)
            else:
                self._ended(pid, status)
        # While the group has a member, no other group can have its number.
        for pid, status in self._finishing.items():
            if not _has_living(pid):
                del self._finishing[pid]
                return self._end(pid, status)
        return None, None

    def due(self) -> float:
        """Return the seconds until `wait` has to be called again even if no signal arrives."""
        if self.more:
            return 0
        return FINISHING if self._finishing else float("inf")

    def _end(self, pid: int, status: int) -> tuple[int, int]:
        self.more = True
        self._ended(pid, status)
        return pid, status

    @staticmethod
    def _dead() -> int | None:
        try:
            dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return None
        return dead.si_pid if dead else None


def _has_living(group: int) -> bool:
    """Return whether a process of the group lives; a zombie that another init has yet to reap does not."""
    if not _signal_group(group, 0):
        return False
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                stat = Path(entry.path, "stat").read_bytes().rpartition(b")")[2].split()
                if stat[0] not in b"ZX" and int(stat[2]) == group:  # proc(5): state, parent, group
                    return True
    return False


def _signal_group(leader: int, number: int) -> bool:
    """Send a signal; return whether a process of the group received it."""
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return False  # no process is left
    except PermissionError:
        return False  # all remaining processes run as another user (set-user-ID) that may not be signalled
    return True
