"""Takes the dead: ours with what they left behind, and the orphans that PID 1 inherits."""

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

FINISHING = 0.02
"""Seconds between two looks at a group whose leader has ended: its members are not children of ours."""


class Reaper:
    """Stands in for supervisord's waitpid(), by which orphans are taken one by one, a hundred a second."""

    def __init__(
        self,
        is_ours: Callable[[int], bool],
        ended: Callable[[int, int], None],
        is_stopping: Callable[[int], bool] = lambda _: False,
    ) -> None:
        """`is_ours` and `is_stopping` tell whether supervisord has started a PID, or is stopping it.

        `ended` is told PID and raw wait status of all that has ended.
        """
        self._is_ours = is_ours
        self._is_stopping = is_stopping
        self._ended = ended
        self._finishing: dict[int, int] = {}
        self.more = False
        """Whether the last call found one: supervisord stops asking after a hundred."""

    def wait(self) -> tuple[int | None, int | None]:
        """Return PID and raw wait status of a process of ours that has ended, (None, None) if there is none.

        Orphans are taken without a word. The process group of ours is killed before its leader is taken: as
        long as the leader is there its number cannot belong to anybody else. What is killed are workers whose
        master has died; they would hold its port against its successor. Where a stop has ended the leader (a
        shell, say), the others are asked to end as well, and it counts as ended when they have; supervisord
        kills the group when the time of the stop is over.
        """
        self.more = False
        while (pid := self._dead()) is not None:
            ours = self._is_ours(pid)
            stopping = ours and self._is_stopping(pid)
            if ours:
                _signal_group(pid, signal.SIGTERM if stopping else signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            if stopping and _has_living(pid):
                self._finishing[pid] = status
            elif ours:
                return self._end(pid, status)
            else:
                self._ended(pid, status)
        # As long as a member of the group is there, its number, too, cannot belong to anybody else.
        for pid, status in self._finishing.items():
            if not _has_living(pid):
                del self._finishing[pid]
                return self._end(pid, status)
        return None, None

    def due(self) -> float:
        """Return the seconds until it has to be asked again, though no signal may tell."""
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
    """Tell whether somebody in the group lives, and is no zombie that an init outside of ours has yet to take."""
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
    """Send a signal, and tell whether there is somebody in the group who gets it."""
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return False  # it died before it could lead a group
    except PermissionError:
        return False  # all that is left runs as another user (a set-user-ID program), whom we may not signal
    return True
