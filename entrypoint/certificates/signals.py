"""The signals of the program: TERM and INT end it, USR1 asks for a new certificate at once."""

import signal
from types import FrameType

_stops: list[int] = []


def prepare() -> None:
    """Let TERM and INT raise SystemExit, and keep USR1 pending until `sleep`."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})


def sleep(seconds: float) -> bool:
    """Sleep until USR1 has arrived, for so many seconds at most; return whether it has."""
    if _stops:
        raise SystemExit(0)
    return signal.sigtimedwait({signal.SIGUSR1}, seconds) is not None


def _stop(number: int, _frame: FrameType | None) -> None:
    _stops.append(number)  # because Python ignores an exception that is raised in a destructor
    raise SystemExit(0)
