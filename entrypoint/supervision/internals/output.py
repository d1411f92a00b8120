"""What a program says, on its way from supervisord's loop to its file, to us, or to both."""
# ruff: noqa: ANN401 - supervisor ships no types

from collections.abc import Callable
from typing import Any, Protocol

from supervisor import loggers
from supervisor.dispatchers import POutputDispatcher

from entrypoint.supervision.internals.guard import Guard


class Sink(Protocol):
    """Where one channel of one run of a program goes."""

    def crowded(self) -> bool:
        """Return whether the program should wait before it says more."""

    def feed(self, data: bytes) -> None:
        """Take what the program has written."""

    def end(self) -> None:
        """Know that the program has ended."""


class Output(POutputDispatcher):  # type: ignore[misc] # supervisor ships no types
    """One channel of one run of a program, read by supervisord's loop and handed to a sink."""

    def __init__(self, process: Any, event_type: Any, fd: int, sink: Sink, guard: Guard) -> None:
        self.dead = False
        self._crowded = guard(sink.crowded, otherwise=False)
        self.feed = guard(sink.feed, otherwise=None)
        self.end = guard(sink.end, otherwise=None)
        super().__init__(process, event_type, fd)

    def _init_normallog(self) -> None:
        config = self.process.config
        file = getattr(config, f"{self.channel}_logfile")
        maxbytes, backups = (getattr(config, f"{self.channel}_logfile_{key}") for key in ("maxbytes", "backups"))
        files = [LogFile(file, maxbytes, backups, config.options.logger.critical)] if file else []
        self.normallog = loggers.Logger(handlers=[*files, LogHandler(lambda record: self.feed(record.msg))])

    def readable(self) -> bool:
        """Return whether to read on: a program that is not read waits when its pipe is full."""
        return bool(super().readable()) and (self.dead or not self._crowded())


class LogFile(loggers.RotatingFileHandler):  # type: ignore[misc] # supervisor ships no types
    """A program's file. While it cannot be written, which is told once, supervisord and the program go on without."""

    def __init__(self, file: str, maxbytes: int, backups: int, complain: Callable[[str], None]) -> None:
        super().__init__(file, "ab", maxbytes, backups)
        self._complain = complain
        self._failed = False

    def emit(self, record: Any) -> None:
        """Write what the program has said, and rotate the file when it is large enough."""
        try:
            if self.stream.closed:
                super().reopen()
            self.stream.write(record.msg)
            self.stream.flush()
            self.doRollover()
            self._failed = False
        except OSError as error:
            self._fail(error)

    def close(self) -> None:
        """Close the file, unless it is closed already: supervisord's own does not bear that."""
        self.stream.close()

    def reopen(self) -> None:
        """Open the file that is there now under its name, at USR2."""
        try:
            super().reopen()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        if not self._failed:
            self._complain(f"cannot write or rotate {self.baseFilename}: {error.strerror}")
        self._failed = True


class LogHandler(loggers.Handler):  # type: ignore[misc] # supervisor ships no types
    """A handler of supervisor's own kind of logger, with nothing to close or to reopen."""

    def __init__(self, take: Callable[[Any], None]) -> None:
        super().__init__()
        self.emit = take

    def close(self) -> None:
        """Have nothing to close."""

    def flush(self) -> None:
        """Have nothing to flush."""

    def remove(self) -> None:
        """Have no file to remove, when a client clears a program's log."""

    def reopen(self) -> None:
        """Have no file to reopen, at USR2."""
