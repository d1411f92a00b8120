"""The output of the programs and the log of supervisord, as lines on the container's standard output."""

import re
from collections.abc import Callable

from entrypoint.output.lines import Lines
from entrypoint.supervision.logs.formats import SUPERVISORD
from entrypoint.supervision.logs.stdout import Stdout

STAYED_UP = re.compile(r"success: \S+ entered RUNNING state, process has stayed up ")

QUIET = frozenset({"INFO", "DEBG", "TRAC", "BLAT"})
"""supervisord's names of the levels that are not shown in the log."""


class ProgramLog:
    """One channel of one run of a program."""

    def __init__(self, name: str, stdout: Stdout, stream: str, pid: Callable[[], int]) -> None:
        """`pid` returns the process ID, which is not known yet when the channel is created."""
        self._name = name
        self._stream = stream
        self._pid = pid
        self._stdout = stdout
        self._lines = Lines()

    def crowded(self) -> bool:
        """Return whether the program should wait before it writes more."""
        return self._stdout.crowded()

    def feed(self, data: bytes) -> None:
        """Write the lines that `data` completes."""
        self._stdout.write(self._name, self._lines.feed(data), self._stream, self._pid())

    def end(self) -> None:
        """Write an unfinished line."""
        self._stdout.write(self._name, self._lines.end(), self._stream, self._pid())


class SupervisordLog:
    """supervisord's own log, without the time, which the container's log has anyway."""

    def __init__(self, stdout: Stdout, *, quiet: bool) -> None:
        """With `quiet`, supervisord's message that a program has stayed up is not logged: it does not mean "ready"."""
        self._stdout = stdout
        self._quiet = quiet

    def write(self, level: str, message: str) -> None:
        """Write the lines of `message`."""
        if self._quiet and STAYED_UP.match(message):
            return
        text = message if level in QUIET else f"{level} {message}"
        self._stdout.write(SUPERVISORD, text.encode("utf-8", "surrogateescape").splitlines())
