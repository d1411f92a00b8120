"""The signals of the program: TERM and INT end it, USR1 asks for a new certificate at once."""

import signal
from types import FrameType

_STOPS = {signal.SIGTERM, signal.SIGINT}
_stops: list[int] = []


def prepare() -> None:
    """Let TERM and INT raise SystemExit, and keep USR1 pending until `sleep`."""
    for number in _STOPS:
        signal.signal(number, _stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})


def sleep(seconds: float) -> bool:
    """Sleep until USR1 has arrived, for so many seconds at most; return whether it has."""
    # Otherwise a stop signal just before the system call would not end it: Python runs its handlers between two steps.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    found = None if _stops else signal.sigtimedwait({signal.SIGUSR1, *_STOPS}, seconds)
    if _stops or (found and found.si_signo in _STOPS):
        raise SystemExit(0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
    return found is not None


def _stop(number: int, _frame: FrameType | None) -> None:
    _stops.append(number)  # because Python ignores an exception that is raised in a destructor
    raise SystemExit(0)
