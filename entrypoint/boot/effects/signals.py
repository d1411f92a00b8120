"""Signals until the exec: blocked at the start, noted during the boot, blocked again for supervisord."""

import os
import signal
from contextlib import suppress
from types import FrameType
from typing import Final

from entrypoint.errors import Stopped

STOPS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
IGNORED: Final = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
# Process 1 loses a signal for which it has no handler, so block each until it has one.
HELD: Final = (*STOPS, *IGNORED)


def hold() -> None:
    """Block the signals. They stay pending, even across an exec."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)


def release() -> None:
    """Deliver the signals to their current handlers."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)


class StopRequests:
    """Notes a stop request; `fileno()` becomes readable, so a selector can wait for it."""

    def __init__(self) -> None:
        self._requested: signal.Signals | None = None
        self._wakeup, self._alarm = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._alarm, warn_on_full_buffer=False)
        for number in STOPS:
            signal.signal(number, self._note)
        for number in IGNORED:  # not SIG_IGN, which every program that boot starts would inherit
            signal.signal(number, lambda _number, _frame: None)
        release()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._requested = self._requested or signal.Signals(number)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable with the first stop signal."""
        return self._wakeup

    def check(self) -> None:
        """Raise Stopped if a stop was requested."""
        if not self._requested:
            with suppress(BlockingIOError):
                os.read(self._wakeup, 64)  # another signal has made it readable
        if self._requested:
            raise Stopped(self._requested)

    def hand_over(self) -> None:
        """Block the signals again, for the program that we exec. Raises Stopped if one arrived before."""
        hold()
        signal.set_wakeup_fd(-1)
        for number in HELD:
            signal.signal(number, signal.SIG_DFL)
        self.check()
