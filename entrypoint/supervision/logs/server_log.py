"""The output of an application server: without the banner of its start, and with the reason first if it cannot load."""

import sched
from collections.abc import Callable

from entrypoint.output.lines import Lines
from entrypoint.output.server_output import Banner, failure, is_end_of_worker, is_trouble
from entrypoint.protocol.supervision import ApplicationConfig
from entrypoint.supervision.internals import Sink
from entrypoint.supervision.tasks import Timer

HOLD = 2.0
"""Seconds that a traceback waits for the end of the server, so that the reason can be logged before it."""

MOST = 1000
"""Lines that wait."""


class ServerLog:
    """A sink for one run of a server; the lines go on to another sink."""

    def __init__(  # noqa: PLR0913 - what to say, and to whom
        self,
        sink: Sink,
        application: ApplicationConfig,
        timers: sched.scheduler,
        *,
        quiet: bool,
        starting: Callable[[], bool],
        failed: Callable[[str], None],
    ) -> None:
        """Call `failed` with the reason if the server, or a worker that it would replace, ends while it is `starting`.

        `quiet` drops the banner.
        """
        self._sink = sink
        self._application = application
        self._starting = starting
        self._failed = failed
        self._banner = Banner(application) if quiet else None
        self._lines = Lines()
        self._held: list[bytes] = []
        self._judged = False
        self._timer = Timer(timers, self._flush)
        self.crowded = sink.crowded

    def feed(self, data: bytes) -> None:
        """Pass on the lines that `data` completes, or hold them."""
        self._take(self._lines.feed(data))

    def end(self) -> None:
        """Log why the application could not be loaded, then what was held."""
        self._take(self._lines.end())
        self._judge()
        self._flush()
        self._sink.end()

    def _take(self, lines: list[bytes]) -> None:
        if self._banner:
            lines = [line for line in lines if not self._banner.has(line)]
        if not self._held:
            first = next((at for at, line in enumerate(lines) if is_trouble(line)), len(lines))
            if first == len(lines) or self._judged or not self._starting():
                self._pass_on(lines)
                return
            self._pass_on(lines[:first])
            lines = lines[first:]
            self._timer.start(HOLD)
        self._held += lines
        if any(map(is_end_of_worker, lines)) and self._judge():
            self._flush()
        if len(self._held) > MOST or not self._starting():
            self._flush()

    def _judge(self) -> bool:
        """Return whether what was held says why the application could not be loaded, and log that first."""
        why = failure(self._application, self._held) if self._held and self._starting() else None
        if why:
            self._judged = True
            self._failed(why)
        return self._judged

    def _flush(self) -> None:
        self._timer.stop()
        self._pass_on(self._held)
        self._held = []

    def _pass_on(self, lines: list[bytes]) -> None:
        if lines:
            self._sink.feed(b"\n".join(lines) + b"\n")
