"""The output of the programs that boot starts, read as long as boot lasts.

A client can make nginx write as much as it likes, and who writes to a full pipe blocks. So a thread reads the pipes
while boot waits for databases, migrations and hooks. It ends before the exec, and supervisord reads on.
"""

import os
import selectors
import signal
from collections.abc import Callable
from threading import Thread
from typing import Final

from entrypoint import log

_READ: Final = 65536
_LONGEST: Final = 65536  # bytes of a line; a longer one is cut, as in entrypoint/supervision/lines.py
_MOST_HELD: Final = 1 << 20  # bytes
_STALL: Final = 1.0  # seconds without room on stderr until lines are dropped, as in entrypoint/supervision/stdout.py

Offer = Callable[[str, str, float], bool]


class _Pipe:
    """One pipe, and what was read of it but not written yet."""

    def __init__(self, name: str, *, hold: bool) -> None:
        self.name = name
        self.hold = hold
        self.begun = b""
        self.ended = False

    def lines(self, data: bytes) -> list[bytes]:
        """Return the lines that are to be written now, with `data` as the last that was read."""
        self.begun += data
        if self.hold and len(self.begun) <= _MOST_HELD:
            return []
        self.hold = False
        *lines, self.begun = self.begun.split(b"\n")
        if self.begun and (self.ended or len(self.begun) > _LONGEST):
            lines.append(self.begun)
            self.begun = b""
        return lines


class Relay:
    """A thread that reads pipes. It is stopped while they are changed, so that nothing is shared."""

    def __init__(self, offer: Offer = log.offer) -> None:
        """`offer(name, line, seconds)` writes a line, and returns whether there was room for it within that time."""
        self._offer = offer
        self._pipes: dict[int, _Pipe] = {}
        self._thread: Thread | None = None
        self._stop = -1  # the end of a pipe: closing it stops the thread
        self._patience = _STALL
        self._dropped = 0

    def add(self, name: str, output: int, *, hold: bool) -> None:
        """Read `output` from now on. With `hold` nothing is written: the program may be ended unseen."""
        self.stop()
        self._pipes[output] = _Pipe(name, hold=hold)
        self._start()

    def remove(self, output: int) -> None:
        """Read `output` no more, and forget what was held of it."""
        self.stop()
        del self._pipes[output]
        self._start()

    def stop(self) -> None:
        """End the thread. What is not read yet stays in the pipes."""
        if self._thread:
            os.close(self._stop)
            self._thread.join()
            self._thread = None

    def begun(self, output: int) -> bytes:
        """Return what was read and not written: a line without its end, or all that was held."""
        return self._pipes[output].begun

    def _start(self) -> None:
        if not self._pipes:
            return
        stopped, self._stop = os.pipe()
        self._thread = Thread(target=self._read, args=(stopped,), daemon=True)
        # The thread inherits the mask: signals are for the main thread, which holds them before the exec.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _read(self, stopped: int) -> None:
        with os.fdopen(stopped, "rb"), selectors.DefaultSelector() as selector:
            selector.register(stopped, selectors.EVENT_READ)
            for output, pipe in self._pipes.items():
                if not pipe.ended:
                    selector.register(output, selectors.EVENT_READ)
            while True:
                ready = [key.fd for key, _ in selector.select()]
                if stopped in ready:
                    return
                for output in ready:
                    self._take(output, selector)

    def _take(self, output: int, selector: selectors.BaseSelector) -> None:
        pipe = self._pipes[output]
        data = os.read(output, _READ)
        if not data:
            pipe.ended = True
            selector.unregister(output)
        for line in pipe.lines(data):
            self._write(pipe.name, line.decode(errors="backslashreplace"))

    def _write(self, name: str, text: str) -> None:
        if not self._offer(name, text, self._patience):
            self._patience = 0
            self._dropped += 1
            return
        self._patience = _STALL
        if self._dropped and self._offer(log.ENTRYPOINT, f"{self._dropped} lines dropped: stderr was not read", 0):
            self._dropped = 0
