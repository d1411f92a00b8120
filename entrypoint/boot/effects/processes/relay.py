"""Read the output of the programs that boot starts, until the exec.

Clients can make nginx log without limit, and a write to a full pipe blocks. So a thread reads the pipes while boot
waits for databases, migrations and hooks. The thread ends before the exec; then supervisord reads the pipes.
"""

import os
import selectors
import signal
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Final

from entrypoint.output import log

_READ: Final = 65536
_LONGEST: Final = 65536  # bytes of a line; longer lines are cut, as supervision does
_MOST_HELD: Final = 1 << 20  # bytes
_STALL: Final = 1.0  # seconds that stderr may be full before lines are dropped, as in supervision/logs/stdout.py

Offer = Callable[[str, str, float], bool]


class _Pipe:
    """A pipe, and the data that was read from it but not written yet."""

    def __init__(self, name: str, *, hold: bool) -> None:
        self.name = name
        self.hold = hold
        self.pending = b""
        self.ended = False

    def lines(self, data: bytes) -> list[bytes]:
        """Return the lines to write now; `data` was read last."""
        self.pending += data
        if self.hold and len(self.pending) <= _MOST_HELD:
            return []
        self.hold = False
        *lines, self.pending = self.pending.split(b"\n")
        if self.pending and (self.ended or len(self.pending) > _LONGEST):
            lines.append(self.pending)
            self.pending = b""
        return lines


class Relay:
    """A thread that reads pipes. It stops while the set of pipes changes, so the threads share no data."""

    def __init__(self, offer: Offer = log.offer) -> None:
        """`offer(name, line, seconds)` writes a line and returns whether stderr accepted it within that time."""
        self._offer = offer
        self._pipes: dict[int, _Pipe] = {}
        self._thread: Thread | None = None
        self._stop = -1  # one end of a pipe: closing it stops the thread
        self._patience = _STALL
        self._dropped = 0

    def add(self, name: str, output: int, *, hold: bool) -> None:
        """Read `output` from now on. `hold` its lines, so that the program can be killed and restarted unseen."""
        self.stop()
        self._pipes[output] = _Pipe(name, hold=hold)
        self._start()

    def remove(self, output: int) -> None:
        """Stop reading `output` and drop its held lines."""
        self.stop()
        del self._pipes[output]
        self._start()

    def stop(self) -> None:
        """End the thread. Unread data stays in the pipes."""
        if self._thread:
            os.close(self._stop)
            self._thread.join()
            self._thread = None

    def pending(self, output: int) -> bytes:
        """Return the data that was read and not written: an incomplete line, or everything that is held."""
        return self._pipes[output].pending

    def read_rest(self, output: int) -> bytes:
        """Read what is left in the pipe of a program that has ended; return what `pending` does."""
        self.stop()
        pipe = self._pipes[output]
        with suppress(BlockingIOError):  # a process that it has left behind may keep the pipe open
            while data := os.read(output, _READ):
                pipe.pending += data
        self._start()
        return pipe.pending

    def _start(self) -> None:
        if not self._pipes:
            return
        stopped, self._stop = os.pipe()
        self._thread = Thread(target=self._read, args=(stopped,), daemon=True)
        # The thread inherits this mask, so signals go to the main thread, which blocks them before the exec.
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
        try:
            data = os.read(output, _READ)
        except BlockingIOError:  # the program has read it
            return
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
        if self._dropped and self._offer(log.ENTRYPOINT, f"lines dropped: {self._dropped} (stderr was not read)", 0):
            self._dropped = 0
