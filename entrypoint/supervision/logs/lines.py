"""Bytes from a pipe as whole lines, and a probe that waits for one of them."""

import re
from collections.abc import Callable, Iterable

from entrypoint.supervision.internals import Sink

LONGEST = 64 * 1024
"""Bytes. A longer line is cut into pieces of this size."""


class Lines:
    """The lines of one stream."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes, without their newlines."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST:
            *begun, self._rest = _pieces(self._rest)
        else:
            begun = []
        if max(map(len, whole), default=0) > LONGEST:
            whole = [piece for line in whole for piece in _pieces(line)]
        return whole + begun

    def end(self) -> list[bytes]:
        """Return the last line of a stream that ended without a newline."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []


def _pieces(line: bytes) -> list[bytes]:
    if len(line) <= LONGEST:
        return [line]
    return [line[at : at + LONGEST] for at in range(0, len(line), LONGEST)]


class LineProbe:
    """A sink for a program's output that looks for a line and passes everything on."""

    def __init__(self, sink: Sink, pattern: re.Pattern[str], found: Callable[[], None]) -> None:
        self._sink = sink
        self._pattern = pattern
        self._found: Callable[[], None] | None = found
        self._lines = Lines()
        self.crowded = sink.crowded

    def feed(self, data: bytes) -> None:
        """Search the lines that `data` completes, until one matches."""
        if self._found:
            self._search(self._lines.feed(data))
        self._sink.feed(data)

    def end(self) -> None:
        """Pass on that the program has ended. An unfinished line does not make it ready."""
        self._sink.end()

    def _search(self, lines: Iterable[bytes]) -> None:
        if self._found and any(self._pattern.search(line.decode("utf-8", "replace")) for line in lines):
            found, self._found = self._found, None
            found()
