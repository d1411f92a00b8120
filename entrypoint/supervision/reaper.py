"""Takes the dead: ours with what they left behind, and the orphans that PID 1 inherits."""

import os
import signal
from collections.abc import Callable


class Reaper:
    """Stands in for supervisord's waitpid(), by which orphans are taken one by one, a hundred a second."""

    def __init__(self, is_ours: Callable[[int], bool], ended: Callable[[int, int], None]) -> None:
        """`is_ours` tells whether supervisord started a PID; `ended` is told its PID and raw wait status."""
        self._is_ours = is_ours
        self._ended = ended
        self.more = False
        """Whether the last call found one: supervisord stops asking after a hundred."""

    def wait(self) -> tuple[int | None, int | None]:
        """Return PID and raw wait status of a process of ours that has ended, (None, None) if there is none.

        Orphans are taken without a word. The process group of ours is killed before its leader is taken: as
        long as the leader is there its number cannot belong to anybody else. What is killed are workers whose
        master has died; they would hold its port against its successor.
        """
        self.more = False
        while (pid := self._dead()) is not None:
            ours = self._is_ours(pid)
            if ours:
                _kill_group(pid)
            _, status = os.waitpid(pid, 0)
            if ours:
                self.more = True
                self._ended(pid, status)
                return pid, status
        return None, None

    @staticmethod
    def _dead() -> int | None:
        try:
            dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return None
        return dead.si_pid if dead else None


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return  # it died before it could lead a group
    except PermissionError:
        return  # all that is left runs as another user (a set-user-ID program), whom we may not signal
