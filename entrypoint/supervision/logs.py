"""What the programs and supervisord itself have to say, as lines on the container's standard output."""

from collections.abc import Callable

from entrypoint.supervision.lines import Lines
from entrypoint.supervision.stdout import Stdout

SUPERVISORD = "supervisord"

QUIET = frozenset({"INFO", "DEBG", "TRAC", "BLAT"})
"""supervisord's names of the levels that say nothing worth a word of their own."""


class ProgramLog:
    """One channel of one run of a program."""

    def __init__(self, name: str, stdout: Stdout, stream: str, pid: Callable[[], int]) -> None:
        """`pid` returns its process ID, which is not known yet when the channel is made."""
        self._name = name
        self._stream = stream
        self._pid = pid
        self._stdout = stdout
        self._lines = Lines()

    def crowded(self) -> bool:
        """Return whether the program should wait before it says more."""
        return self._stdout.crowded()

    def feed(self, data: bytes) -> None:
        """Write the lines that `data` completes."""
        self._stdout.write(self._name, self._lines.feed(data), self._stream, self._pid())

    def end(self) -> None:
        """Write what has been said without a newline."""
        self._stdout.write(self._name, self._lines.end(), self._stream, self._pid())


class Elsewhere:
    """One channel of one run of a program whose file is written by supervisord: nothing of it comes here."""

    def crowded(self) -> bool:
        """Return False: a file takes all."""
        return False

    def feed(self, data: bytes) -> None:
        """Have nothing to write."""

    def end(self) -> None:
        """Have nothing left to write."""


class SupervisordLog:
    """supervisord's own log, without the time, which the container's log has already."""

    def __init__(self, stdout: Stdout) -> None:
        self._stdout = stdout

    def write(self, level: str, message: str) -> None:
        """Write `message`, each of its lines on one of ours."""
        text = message if level in QUIET else f"{level} {message}"
        self._stdout.write(SUPERVISORD, text.encode("utf-8", "surrogateescape").splitlines())
