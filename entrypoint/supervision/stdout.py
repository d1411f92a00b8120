"""The container's standard output, which may be slow, stalled or gone: supervision goes on."""

import os
import select
import time
from collections.abc import Callable, Sequence

from entrypoint.supervision import formats
from entrypoint.supervision.formats import Format

BACKLOG = 1024 * 1024
"""Bytes that wait for a reader. From here on programs are not read until there is room: a slow reader slows
them down, as it does without us, and nothing is lost."""

STALL = 1.0
"""Seconds without any progress after which the reader counts as stalled. Then programs are read again, and
lines beyond the backlog dropped: a log that nobody reads must not stop a site."""

ATOMIC = select.PIPE_BUF
"""Bytes that a pipe takes whole. poll(2) says POLLOUT when a pipe has room for as many: a write of no more
than that does not block although the description is in blocking mode. That mode is left as it is, for it is
shared with whoever else has the same terminal or pipe."""

TERMINAL = 1
"""Bytes that a terminal takes when poll(2) says POLLOUT. Whoever writes more waits for room for all of it."""


class Stdout:
    """Whole lines to one descriptor, in order, without ever waiting for its reader.

    It never opens the descriptor's file anew: /dev/stdout cannot be opened when it is a socket, or another
    user's pipe.
    """

    def __init__(
        self, fd: int | None, clock: Callable[[], float] = time.monotonic, form: Format = formats.text
    ) -> None:
        """Write to `fd`, or to nothing if it is None, each line as `form` makes it."""
        self._form = form
        self._fd = fd
        self._clock = clock
        self._backlog = bytearray()
        self._dropped = 0
        self._progress = 0.0
        self._poll = select.poll()
        self._room: select.epoll | None = None
        self._piece = ATOMIC
        if fd is None:
            return
        self._poll.register(fd, select.POLLOUT)
        if os.isatty(fd):
            self._piece = TERMINAL
        self._room = select.epoll()
        try:
            self._room.register(fd, select.EPOLLOUT)
        except PermissionError:  # a file or /dev/null, which always take all: epoll_ctl(2)
            self._room.close()
            self._room = None
            self._piece = BACKLOG

    @property
    def room(self) -> int | None:
        """A descriptor, readable when there is room or no reader any more; None if there always is room."""
        return self._room.fileno() if self._room else None

    def waiting(self) -> bool:
        """Return whether lines wait for room."""
        return bool(self._backlog)

    def stalled(self) -> bool:
        """Return whether the reader has not read for too long."""
        return self.waiting() and self._clock() - self._progress >= STALL

    def crowded(self) -> bool:
        """Return whether those who write should wait."""
        return len(self._backlog) >= BACKLOG and not self.stalled()

    def due(self) -> float:
        """Return the seconds until those who wait need not wait any longer."""
        return self._progress + STALL - self._clock() if self.crowded() else float("inf")

    def write(self, name: str, lines: Sequence[bytes], stream: str = "stdout", pid: int = 0) -> None:
        """Write `lines` of the program `name`, as far as there is room; the rest follows when there is.

        `pid` is whose `stream` it was, ours where it is 0.
        """
        if self._fd is None or not lines:
            return
        if len(self._backlog) >= BACKLOG and self.stalled():
            self._dropped += len(lines)
        else:
            if not self._backlog:
                self._progress = self._clock()
            self._backlog += self._form(name, lines, stream, pid or os.getpid())
        self.flush()

    def flush(self, patience: float = 0) -> None:
        """Write what waits. Return when all is written, or after `patience` seconds without room."""
        while self._backlog and self._fd is not None:
            if not self._poll.poll(patience * 1000):
                return
            try:
                written = os.write(self._fd, self._next())
            except BlockingIOError:  # another process has made our shared description non-blocking
                return
            except OSError:
                # No reader (EPIPE), a terminal that hung up (EIO), a full disk (ENOSPC): it may come back.
                self._dropped += self._backlog.count(b"\n")
                self._backlog.clear()
                return
            del self._backlog[:written]
            self._progress = self._clock()
            if self._dropped:
                told, self._dropped = self._dropped, 0
                said = b"%d lines dropped: stdout was not read" % told
                self._backlog += self._form("supervisord", [said], "stdout", os.getpid())

    def close(self, patience: float) -> None:
        """Write what waits within about `patience` seconds, and release all but the descriptor itself."""
        end = self._clock() + patience
        while self._backlog and (left := end - self._clock()) > 0:
            self.flush(left)
        if self._room:
            self._room.close()
            self._room = None

    def _next(self) -> bytes:
        """Return as many whole lines as are written at once, so that no other writer's text comes between."""
        end = self._backlog.rfind(b"\n", 0, self._piece) + 1
        return bytes(self._backlog[: end or self._piece])
