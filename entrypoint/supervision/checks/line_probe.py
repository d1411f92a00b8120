"""A probe that waits for a line of a program's output."""

import re
from collections.abc import Callable, Iterable

from entrypoint.output.lines import Lines
from entrypoint.supervision.internals import Sink


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
