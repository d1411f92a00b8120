"""How many requests nginx has answered, by status class: from a log that holds nothing but the statuses.

nginx writes the log in batches, and never waits for a reader. The file stays small: what was counted is removed.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

LARGEST: Final = 1 << 20
"""Bytes of counted statuses after which the file is emptied."""

INTERVAL: Final = 60.0
"""Seconds after which statuses are counted although nobody asks for them."""

MOST: Final = 1 << 24
"""The most bytes that one call counts. nginx writes less than that between two calls, but an attacker who controls a
worker of nginx may write more, or make a sparse file of any size."""

_PIECE: Final = 1 << 16
_CLASSES: Final = "12345"


class RequestCount:
    """The number of requests by the first digit of their status, since the start of this supervisord."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._offset = 0
        self._newline = True
        self._counts = dict.fromkeys(_CLASSES, 0)
        self._others = 0
        self._found = False

    def read(self) -> Mapping[str, int]:
        """Count what nginx has written since the last call. Return the sums by class: 2xx, for example.

        Without a file there are none: a user's own nginx.conf need not write it.
        """
        try:
            # nginx's folder belongs to root, or to the user that this process runs as.
            fd = os.open(self.file, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:  # nginx has not started
            return self._sums()
        try:
            status = os.fstat(fd)
            if stat.S_ISREG(status.st_mode):
                self._found = True
                self._count(fd, status.st_size)
        except OSError:
            pass
        finally:
            os.close(fd)
        return self._sums()

    def _count(self, fd: int, size: int) -> None:
        if size < self._offset:
            self._offset, self._newline = 0, True
        most = self._offset + MOST
        while self._offset < most and (piece := os.pread(fd, _PIECE, self._offset)):
            self._offset += len(piece)
            # A line is a status of three digits: its first one follows a line feed.
            text = b"\n" + piece if self._newline else piece
            for each in _CLASSES:
                self._counts[each] += text.count(b"\n" + each.encode())
            self._others += text.count(b"\n0")  # the client closed the connection before a response
            self._newline = piece.endswith(b"\n")
        if self._offset >= most or (self._offset >= LARGEST and self._newline):
            # nginx appends. A line that it writes in the microseconds between the last read and this call is lost.
            os.ftruncate(fd, 0)
            self._offset, self._newline = 0, True

    def _sums(self) -> Mapping[str, int]:
        if not self._found:
            return {}
        sums = {f"{each}xx": count for each, count in self._counts.items()}
        return {**sums, "none": self._others} if self._others else sums
