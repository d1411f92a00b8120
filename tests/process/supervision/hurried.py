"""The plugin with a tenth of a second where it else has ten, for tests that would take half a minute."""

from entrypoint.supervision import readiness
from entrypoint.supervision.checks import health, memory
from entrypoint.supervision.plugin import make
from entrypoint.supervision.reports import waits

__all__ = ["make"]

health.INTERVAL = 0.1
health.Watchdog.SECONDS = 1  # more than the pauses of a program on a busy machine
memory.INTERVAL = 0.1
readiness.AGAIN = 0.1
waits.FIRST, waits.SECOND = 0.1, 0.6
