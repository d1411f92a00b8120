"""The output of a program, from supervisord's loop to a log file, a sink, or both."""
# ruff: noqa: ANN401 - supervisor ships no types

import contextlib
import io
import os
from collections.abc import Callable
from typing import Any, Protocol

from supervisor import loggers
from supervisor.dispatchers import POutputDispatcher

from entrypoint.supervision.internals.guard import Guard

_READ = 1 << 17  # bytes, as supervisord


class Sink(Protocol):
    """Receives one channel of one run of a program."""

    def crowded(self) -> bool:
        """Return whether the program should wait before it writes more."""

    def feed(self, data: bytes) -> None:
        """Take output of the program."""

    def end(self) -> None:
        """Finish: the program has ended."""


class Output(POutputDispatcher):  # type: ignore[misc] # supervisor ships no types
    """One channel of one run of a program; supervisord's loop reads it and passes it to a sink."""

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

    def handle_read_event(self) -> None:
        """Read once. Unlike supervisord's own method, continue if another process has read the output before."""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self.fd, _READ)
            self.output_buffer += data
            self.record_output()
            if not data:
                self.close()

    def readable(self) -> bool:
        """Return whether to read: a program waits when its pipe is full."""
        return bool(super().readable()) and (self.dead or not self._crowded())


class LogFile(loggers.RotatingFileHandler):  # type: ignore[misc] # supervisor ships no types
    """A program's log file. If it cannot be written, that is logged once; supervisord and the program continue."""

    def __init__(self, file: str, maxbytes: int, backups: int, log: Callable[[str], None]) -> None:
        super().__init__(file, "ab", maxbytes, backups)
        self._log = log
        self._failed = False

    def emit(self, record: Any) -> None:
        """Write output of the program, and rotate the file when it is large enough."""
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
        """Close the file. Unlike supervisord's own method, this may be called twice."""
        self.stream.close()

    def reopen(self) -> None:
        """Open the file again by its name, at USR2."""
        try:
            super().reopen()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        if not self._failed:
            self._log(f"cannot write or rotate {self.baseFilename}: {error.strerror}")
        self._failed = True


class LogHandler(loggers.StreamHandler):  # type: ignore[misc] # supervisor ships no types
    """A handler for supervisor's logger that calls a function. Its stream is empty: it has no file to reopen."""

    def __init__(self, take: Callable[[Any], None]) -> None:
        super().__init__(io.BytesIO())
        self.emit = take
