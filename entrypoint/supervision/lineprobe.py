"""A line that a program writes when it is ready."""

import re
from collections.abc import Callable, Iterable

from entrypoint.supervision.internals import Sink
from entrypoint.supervision.lines import Lines


class LineProbe:
    """A sink for what a program writes, which looks for a line before it hands all on."""

    def __init__(self, sink: Sink, pattern: re.Pattern[str], found: Callable[[], None]) -> None:
        self._sink = sink
        self._pattern = pattern
        self._found: Callable[[], None] | None = found
        self._lines = Lines()
        self.crowded = sink.crowded

    def feed(self, data: bytes) -> None:
        """Look at the lines that `data` completes, until one has the pattern."""
        if self._found:
            self._look(self._lines.feed(data))
        self._sink.feed(data)

    def end(self) -> None:
        """Hand on that the program has ended. What it has left unfinished makes it ready no more."""
        self._sink.end()

    def _look(self, lines: Iterable[bytes]) -> None:
        if self._found and any(self._pattern.search(line.decode("utf-8", "replace")) for line in lines):
            found, self._found = self._found, None
            found()
