"""The signals of the program: TERM and INT end it, USR1 asks for a new certificate at once."""

import os
import select
import signal
from types import FrameType


class Signals:
    """A sleep that a signal ends."""

    def __init__(self) -> None:
        self._pipe, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGUSR1, self._renew)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._wanted = False

    def sleep(self, seconds: float) -> None:
        """Sleep, or return early after USR1."""
        if select.select([self._pipe], [], [], seconds)[0]:
            os.read(self._pipe, 4096)

    def wanted(self) -> bool:
        """Return whether USR1 was received since the last call."""
        wanted, self._wanted = self._wanted, False
        return wanted

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    def _renew(self, _number: int, _frame: FrameType | None) -> None:
        self._wanted = True
