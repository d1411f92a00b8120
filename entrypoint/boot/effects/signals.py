"""Signals from our first line to the exec: held, then noted, then held again for supervisord."""

import os
import signal
from types import FrameType
from typing import Final

from entrypoint.errors import Stopped

STOPS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
# Whoever is process 1 loses a signal that it has no handler for, so each is held until there is one.
HELD: Final = (*STOPS, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def hold() -> None:
    """Block the signals; they stay pending, across an exec too."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)


def release() -> None:
    """Let the signals through, with whatever their handlers are now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)


class StopRequests:
    """Notes that a stop was asked for, and wakes whoever waits on `fileno()`."""

    def __init__(self) -> None:
        import socket  # noqa: PLC0415 -- a command that only holds or releases the signals needs none

        self._asked: signal.Signals | None = None
        self._wakeup, self._alarm = socket.socketpair()
        self._wakeup.settimeout(0)
        self._alarm.settimeout(0)
        signal.set_wakeup_fd(self._alarm.fileno(), warn_on_full_buffer=False)
        for number in STOPS:
            signal.signal(number, self._note)
        release()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._asked = self._asked or signal.Signals(number)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable with the first signal."""
        return self._wakeup.fileno()

    def check(self) -> None:
        """Raise Stopped if a stop was asked for."""
        if self._asked:
            raise Stopped(self._asked, self._asked.name)

    def hand_over(self) -> None:
        """Hold the signals again for the program that we exec, and give up if one came before that."""
        hold()
        signal.set_wakeup_fd(-1)
        for number in STOPS:
            signal.signal(number, signal.SIG_DFL)
        self.check()
        for end in (self._wakeup, self._alarm):
            os.close(end.detach())
