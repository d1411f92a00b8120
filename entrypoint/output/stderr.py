"""Standard error: whole lines from several threads, without an exception if its reader is gone."""

import os
import select
import sys
from contextlib import suppress
from threading import Lock
from typing import Final

_FD: Final = 2
_ATOMIC: Final = select.PIPE_BUF  # bytes that a pipe accepts without blocking after POLLOUT: poll(2)
_STREAMS: Final = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))  # in the order of their descriptors


def open_missing() -> None:
    """Open /dev/null in place of each standard stream that is closed.

    Otherwise the next file or socket would get its descriptor, and log lines would be written to it.
    """
    for number, (name, mode) in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # open(2) returns the lowest free descriptor, which is this one
            os.set_inheritable(number, True)  # noqa: FBT003 -- its signature
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False))


class Stderr:
    """The descriptor, with a lock for each line."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._begun = b""  # the unwritten end of a line
        self._drawn = False  # whether the terminal's last line is one of `draw`

    def write(self, text: str, patience: float | None = None) -> bool:
        """Write a line; wait at most `patience` seconds until stderr accepts it, or without a limit for None.

        Return False if the time ran out. If stderr or its reader is closed, the line is lost.
        """
        if not self._lock.acquire(timeout=-1 if patience is None else patience):
            return False
        try:
            if self._drawn:
                text = f"\r\033[K{text}"
                self._drawn = False
            return self._write(text.encode("utf-8", "backslashreplace"), patience)
        except OSError:
            return True
        finally:
            self._lock.release()

    def draw(self, text: str) -> None:
        """Show a line on a terminal until the next one replaces it; cut it to one row."""
        text = text.rstrip("\n")
        with suppress(OSError), self._lock:
            columns = os.get_terminal_size(_FD).columns
            fits = columns == 0 or len(text) < columns  # with colours it may be cut a little early
            shown = text if fits else f"{text[: columns - 1]}\033[0m"
            self._write(f"\r{shown}\033[K".encode("utf-8", "backslashreplace"), None)
            self._drawn = True

    def _write(self, line: bytes, patience: float | None) -> bool:
        room = select.poll()
        room.register(_FD, select.POLLOUT)
        # After POLLOUT a terminal accepts at least one byte. A longer write may block, as only an unlimited wait may.
        piece = 1 if patience is not None and os.isatty(_FD) else _ATOMIC
        left = self._begun + line
        while left:
            if not room.poll(None if patience is None else patience * 1000):
                whole = len(left) >= len(line)
                self._begun = left[: -len(line)] if whole else left
                return not whole
            try:
                left = left[os.write(_FD, left[:piece]) :]
            except BlockingIOError:  # another process made the file description non-blocking
                continue
        self._begun = b""
        return True
