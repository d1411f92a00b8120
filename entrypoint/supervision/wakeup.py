"""A descriptor that becomes readable with each signal, so that a wait ends when something has happened."""

import os
import signal


class WakeUp:
    """The pipe that Python writes to at each signal. There is one such descriptor in a process.

    Without it a signal does not end a poll: Python restarts it with the time that is left (PEP 475).
    """

    def __init__(self) -> None:
        self.fd, self._end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._end, warn_on_full_buffer=False)

    def clear(self) -> None:
        """Forget the signals so far; what they mean is known to their handlers."""
        try:
            while os.read(self.fd, 4096):
                continue
        except BlockingIOError:
            return

    def close(self) -> None:
        """Let signals wake up nobody."""
        signal.set_wakeup_fd(-1)
        os.close(self.fd)
        os.close(self._end)
