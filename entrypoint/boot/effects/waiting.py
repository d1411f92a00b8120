"""Waiting for things that are not Django's, all at once and under one deadline."""

import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from entrypoint.boot.effects.probes import Refused, probe
from entrypoint.boot.effects.signals import StopRequests
from entrypoint.boot.settings.endpoints import Endpoint
from entrypoint.boot.settings.values import shown
from entrypoint.errors import TimedOut, Unusable

_FIRST_DELAY: Final = 0.05  # seconds, growing by half each time
_LONGEST_DELAY: Final = 1.0
_TRY: Final = 3.0  # seconds that one step of a try may take
_TOLD_EVERY: Final = 5.0
_GRACE: Final = 10.0  # seconds in which a name may still become known
_UNKNOWN: Final = (socket.EAI_NONAME, socket.EAI_NODATA)


class Watch(threading.Thread):
    """Tries one thing again and again; a daemon, for a look-up of a name cannot be interrupted."""

    def __init__(self, target: Endpoint, deadline: float, grace: float, bell: socket.socket) -> None:
        super().__init__(daemon=True)
        self.target = target
        self.why = "it gives no answer"
        self.refused: str | None = None
        self.there = False
        self.late = False  # whether it was not there at first
        self._deadline = deadline
        self._grace = grace
        self._bell = bell

    def run(self) -> None:
        """Try until the target is reachable, refuses for good or the deadline has passed."""
        try:
            self.there = self._comes()
        except Refused as error:
            self.refused = shown(str(error))
        except Exception as error:  # noqa: BLE001 -- whatever it is, the one who waits has to hear of it
            self.refused = shown(repr(error))
        with suppress(OSError):  # nobody waits any more
            self._bell.send(b"!")

    def _comes(self) -> bool:
        known_by = time.monotonic() + self._grace
        delay = _FIRST_DELAY
        while (left := self._deadline - time.monotonic()) > 0:
            try:
                probe(self.target, min(_TRY, left))
            except OSError as error:
                self.late = True
                if not (isinstance(error, TimeoutError) and left < _TRY):  # the deadline cut this try short
                    self.why = shown(error.strerror or str(error))
                if isinstance(error, socket.gaierror) and error.errno in _UNKNOWN and time.monotonic() >= known_by:
                    raise Refused("there is no host of that name") from error
            else:
                return True
            time.sleep(delay)
            delay = min(delay * 1.5, _LONGEST_DELAY)
        return False


def wait_for(
    targets: Sequence[Endpoint],
    seconds: float,
    tell: Callable[[str], None],
    stops: StopRequests,
    *,
    grace: float = _GRACE,
) -> bool:
    """Wait until each is there, for `seconds` in all; return whether one was not, at first.

    `grace` is how long an unknown host may stay so. Raises TimedOut, Unusable where one
    never will be there, Stopped when a stop was asked for.
    """
    began = time.monotonic()
    deadline = began + seconds
    tell_next = began + _TOLD_EVERY
    ours, theirs = socket.socketpair()
    with ours, theirs, selectors.DefaultSelector() as selector:
        selector.register(ours, selectors.EVENT_READ)
        selector.register(stops, selectors.EVENT_READ)
        watches = [Watch(target, deadline, grace, theirs) for target in targets]
        missing = list(watches)
        for watch in watches:
            watch.start()
        while missing:
            now = time.monotonic()
            if now >= deadline:
                raise TimedOut(
                    f"cannot reach {'; '.join(f'{w.target} within {seconds:g} s: {w.why}' for w in missing)}"
                )
            for key, _ in selector.select(min(deadline, tell_next) - now):
                if key.fileobj is ours:
                    ours.recv(4096)
                else:
                    stops.check()
            _tell_of_the_there(missing, began, tell)
            if time.monotonic() >= tell_next:
                tell_next += _TOLD_EVERY
                for watch in missing:
                    tell(f"    still waiting for {watch.target}: {watch.why}")
    return any(watch.late for watch in watches)


def _tell_of_the_there(missing: list[Watch], began: float, tell: Callable[[str], None]) -> None:
    """Take out and tell what is there by now. Raises Unusable where one never will be."""
    Unusable.check(f"cannot reach {watch.target}: {watch.refused}" for watch in missing if watch.refused)
    for watch in [watch for watch in missing if watch.there]:
        watch.join()
        missing.remove(watch)
        tell(f"    {watch.target} is there after {time.monotonic() - began:.1f} s")
