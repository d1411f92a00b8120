"""The requests of clients in one round of supervisord: where they arrive, and which part of supervision serves them."""

import os
import signal
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from entrypoint.output import log
from entrypoint.protocol.supervision import MetricsConfig
from entrypoint.supervision import signals
from entrypoint.supervision.checks.checks import Checks
from entrypoint.supervision.clients.interface import Interface
from entrypoint.supervision.handover import Current
from entrypoint.supervision.internals import Program, Supervisord
from entrypoint.supervision.lifecycle import Lifecycle
from entrypoint.supervision.logs.stdout import Stdout
from entrypoint.supervision.readiness import Readiness
from entrypoint.supervision.reload.reload import Reload
from entrypoint.supervision.reports.record import Record
from entrypoint.supervision.shutdown.stop import Stop
from entrypoint.supervision.tasks import Tasks
from entrypoint.supervision.web.web import Web

if TYPE_CHECKING:
    from entrypoint.supervision.clients.answers import Answers
    from entrypoint.supervision.web.conversation import Routes

INSTEAD_OF_HUP = "`entrypoint ctl signal HUP nginx` reloads nginx, `entrypoint ctl restart NAME` restarts a program"
"""The remedy if supervisord was started by hand: a reload needs the environment that a boot leaves."""


class Clients:
    """The control socket, SIGHUP, and the HTTP server with the metrics and the status page."""

    def __init__(  # noqa: PLR0913 -- it connects what it is given
        self,
        supervisord: Supervisord,
        current: Current,
        checks: Mapping[Program, Checks],
        *,
        tasks: Tasks,
        stdout: Stdout,
        readiness: Readiness,
        record: Record,
        stop: Stop,
        lifecycle: Lifecycle,
        reloading: Reload,
    ) -> None:
        self._supervisord = supervisord
        self._current = current
        self._checks = checks
        self._tasks = tasks
        self._stdout = stdout
        self._readiness = readiness
        self._record = record
        self._stop = stop
        self._lifecycle = lifecycle
        self._reloading = reloading
        self._answers: Answers | None = None
        self.web = Web(current.config.metrics, supervisord, tasks, self._routes)
        self.interface = Interface(reloading, supervisord, current, self._why_no_reload)
        """The methods that supervisord offers on its control socket."""

    def take_hup(self, number: int) -> bool:
        """Reload at a HUP, or ignore it; return whether it was one. supervisord would stop and start all programs."""
        if number != signal.SIGHUP:
            return False
        if not self._current.environments.boot:
            self._supervisord.warn(f"received SIGHUP: ignored; {INSTEAD_OF_HUP}")
        elif self._stopping:
            self._supervisord.warn("received SIGHUP: ignored, because the container is stopping")
        else:
            self._supervisord.warn("received SIGHUP: reloading")
            self._start_reload()
        return True

    @property
    def _stopping(self) -> bool:
        return self._stop.begun or self._supervisord.stopping

    def _why_no_reload(self) -> str:
        if self._stopping:
            return "the container is stopping"
        return "another reload has not ended" if self._reloading.running else ""

    def _routes(self, config: MetricsConfig) -> "Routes":
        if self._answers is None:
            from entrypoint.supervision.clients.answers import Answers  # noqa: PLC0415 - not without a client
            from entrypoint.supervision.metrics.metrics import Container  # noqa: PLC0415 - as above
            from entrypoint.supervision.page.page import Actions  # noqa: PLC0415 - as above

            self._answers = Answers(
                config,
                Container(
                    self._record.programs,
                    ready=lambda: self._readiness.ready,
                    dropped=lambda: self._stdout.dropped,
                    probing=lambda program: self._checks[program].connections,
                ),
                self._tasks.timers,
                actions=Actions(self._restart, self._reload),
                log=self._supervisord.warn,
            )
        return self._answers.routes(config, self._current.environments.page_password)

    def _restart(self, name: str) -> str:
        """Restart a program for the status page; return why not, or an empty text."""
        found = [each for each, _ in self._record.programs() if name in {each.name, f"{each.group}:{each.name}"}]
        if not found:
            return f"cannot restart {log.printable(name)}: there is no such program"
        if why := self._why_no_reload():
            return f"cannot restart {name}: {why}"
        self._lifecycle.restart(found[0], "requested on the status page", asked=True)
        found[0].start()
        return ""

    def _reload(self) -> str:
        """Start a reload for the status page; return why not, or an empty text."""
        if why := self._why_no_reload():
            return f"cannot reload: {why}"
        self._start_reload()
        return ""

    def _start_reload(self) -> None:
        """Run `entrypoint reload` in a process of its own: the files that it reads may be slow or broken.

        It writes its lines to the container's standard error, as the boot did. If another one is running, the new one
        says so and ends.
        """
        # As root, Python must not import modules from paths in the environment or in a home: see bin/entrypoint.
        flag = "-I" if os.geteuid() == 0 else "-P"
        try:
            command = (sys.executable, flag, "-m", "entrypoint", "reload")
            signals.spawn(command, self._current.environments.boot)
        except OSError as error:
            self._supervisord.critical(f"cannot run entrypoint reload: {error.strerror}")
