"""The container's standard output. Its reader may be slow, stalled or gone; supervision must continue."""

import os
import select
import time
from collections.abc import Callable, Sequence

from entrypoint.supervision.logs import formats
from entrypoint.supervision.logs.formats import Format

BACKLOG = 1024 * 1024
"""Bytes that wait for the reader. Beyond them the programs' output is not read until there is room: a slow reader slows
the programs down, and nothing is lost."""

STALL = 1.0
"""Seconds without progress after which the reader counts as stalled. Then the programs' output is read again, and lines
beyond the backlog are dropped: a log that nobody reads must not stop a site."""

ATOMIC = select.PIPE_BUF
"""Bytes that a pipe accepts as a whole. poll(2) reports POLLOUT when a pipe has room for them, so a write of this size
does not block although the descriptor is in blocking mode. The mode stays, because other processes share it."""

TERMINAL = 1
"""Bytes that a terminal accepts when poll(2) reports POLLOUT. A larger write would wait for room."""


class Stdout:
    """Writes whole lines to one descriptor, in order, without ever waiting for its reader.

    It never reopens the file of the descriptor: /dev/stdout cannot be opened if it is a socket or another user's pipe.
    """

    def __init__(self, fd: int | None, clock: Callable[[], float] = time.monotonic, form: Format | None = None) -> None:
        """Write lines to `fd` in the format `form`, by default text; discard them if `fd` is None."""
        self._form = form or formats.as_text()
        self._fd = fd
        self._clock = clock
        self._backlog = bytearray()
        self._dropped = 0
        self._lost = 0
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
        except PermissionError:  # a file or /dev/null, which always have room: epoll_ctl(2)
            self._room.close()
            self._room = None
            self._piece = BACKLOG

    @property
    def dropped(self) -> int:
        """How many lines were dropped since the start."""
        return self._lost + self._dropped

    @property
    def room(self) -> int | None:
        """A descriptor that is readable when there is room or no reader; None if there always is room."""
        return self._room.fileno() if self._room else None

    def waiting(self) -> bool:
        """Return whether lines wait for room."""
        return bool(self._backlog)

    def stalled(self) -> bool:
        """Return whether the reader has not read for too long."""
        return self.waiting() and self._clock() - self._progress >= STALL

    def crowded(self) -> bool:
        """Return whether the programs should wait before they write more."""
        return len(self._backlog) >= BACKLOG and not self.stalled()

    def due(self) -> float:
        """Return the seconds until waiting programs may write again."""
        return self._progress + STALL - self._clock() if self.crowded() else float("inf")

    def write(self, name: str, lines: Sequence[bytes], stream: str = "stdout", pid: int = 0) -> None:
        """Write `lines` of the program `name`, as far as there is room; the rest waits.

        `stream` and `pid` are those of the program; pid 0 stands for this process.
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
        """Write waiting lines. Return when all are written, or after `patience` seconds without room."""
        while self._backlog and self._fd is not None:
            if not self._poll.poll(patience * 1000):
                return
            try:
                written = os.write(self._fd, self._next())
            except BlockingIOError:  # another process has made the shared descriptor non-blocking
                return
            except OSError:
                # No reader (EPIPE), a terminal that hung up (EIO), a full disk (ENOSPC): it may come back.
                self._dropped += self._backlog.count(b"\n")
                self._backlog.clear()
                return
            del self._backlog[:written]
            self._progress = self._clock()
            if self._dropped:
                warning = b"lines dropped: %d (stdout was not read)" % self._dropped
                self._lost += self._dropped
                self._dropped = 0
                self._backlog += self._form("supervisord", [warning], "stdout", os.getpid())

    def close(self, patience: float) -> None:
        """Write waiting lines for about `patience` seconds at most; the descriptor itself stays open."""
        end = self._clock() + patience
        while self._backlog and (left := end - self._clock()) > 0:
            self.flush(left)
        if self._room:
            self._room.close()
            self._room = None

    def _next(self) -> bytes:
        """Return as many whole lines as one write accepts, so that no other writer's text comes between."""
        end = self._backlog.rfind(b"\n", 0, self._piece) + 1
        return bytes(self._backlog[: end or self._piece])
