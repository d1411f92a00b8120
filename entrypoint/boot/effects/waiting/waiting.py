"""Wait for services besides Django's databases, in parallel and with one deadline."""

import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from entrypoint.boot.effects.signals import StopRequests
from entrypoint.boot.effects.waiting.probes import PermanentError, probe
from entrypoint.boot.settings.types.endpoints import Endpoint
from entrypoint.boot.settings.types.values import shown
from entrypoint.errors import TimedOut, Unusable

_FIRST_DELAY: Final = 0.05  # seconds; each delay is 1.5 times the last one
_LONGEST_DELAY: Final = 1.0
_TRY: Final = 3.0  # seconds for each step of a probe
_REPORT_INTERVAL: Final = 5.0
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class Watch(threading.Thread):
    """Probes one endpoint repeatedly. A daemon thread, since a DNS lookup cannot be interrupted."""

    def __init__(self, endpoint: Endpoint, deadline: float, bell: socket.socket) -> None:
        super().__init__(daemon=True)
        self.endpoint = endpoint
        self.why = "it does not answer"
        self.failure: str | None = None  # a permanent error
        self.reachable = False
        self.late = False  # whether the first probe failed
        self.refused = False  # whether nobody listens there
        self.unknown = False  # whether its host name does not resolve; a container's name appears when it starts
        self._deadline = deadline
        self._bell = bell

    def run(self) -> None:
        """Probe until the endpoint is reachable, fails permanently or the deadline has passed."""
        try:
            self.reachable = self._wait()
        except PermanentError as error:
            self.failure = shown(str(error))
        except Exception as error:  # noqa: BLE001 -- the main thread reports it
            self.failure = shown(repr(error))
        with suppress(OSError):  # the main thread no longer waits
            self._bell.send(b"!")

    def _wait(self) -> bool:
        delay = _FIRST_DELAY
        while (left := self._deadline - time.monotonic()) > 0:
            try:
                probe(self.endpoint, min(_TRY, left))
            except OSError as error:
                self.late = True
                if not (isinstance(error, TimeoutError) and left < _TRY):  # the deadline cut this try short
                    self.unknown = isinstance(error, socket.gaierror)
                    self.refused = isinstance(error, ConnectionRefusedError)
                    text = f"unknown host {self.endpoint.host}" if self.unknown else error.strerror or str(error)
                    self.why = shown(text)
            else:
                return True
            time.sleep(delay)
            delay = min(delay * 1.5, _LONGEST_DELAY)
        return False


def wait_for(
    endpoints: Sequence[Endpoint],
    seconds: float,
    tell: Callable[[str], None],
    stops: StopRequests,
) -> bool:
    """Wait until all endpoints are reachable; return whether a first probe failed.

    `seconds` is the deadline for all together. Raises TimedOut, Unusable after a permanent error, Stopped when a stop
    was requested.
    """
    began = time.monotonic()
    deadline = began + seconds
    report_at = began + _REPORT_INTERVAL
    ours, theirs = socket.socketpair()
    with ours, theirs, selectors.DefaultSelector() as selector:
        selector.register(ours, selectors.EVENT_READ)
        selector.register(stops, selectors.EVENT_READ)
        watches = [Watch(endpoint, deadline, theirs) for endpoint in endpoints]
        missing = list(watches)
        for watch in watches:
            watch.start()
        while missing:
            now = time.monotonic()
            if now >= deadline:
                each = "; ".join(f"{watch.endpoint} within {seconds:g} s: {watch.why}" for watch in missing)
                raise TimedOut(f"cannot reach {each}{_hint(missing)}")
            for key, _ in selector.select(min(deadline, report_at) - now):
                if key.fileobj is ours:
                    ours.recv(4096)
                else:
                    stops.check()
            _report_reachable(missing, began, tell)
            if time.monotonic() >= report_at:
                report_at += _REPORT_INTERVAL
                for watch in missing:
                    tell(f"    still waiting for {watch.endpoint}: {watch.why}")
    return any(watch.late for watch in watches)


def _hint(missing: Sequence[Watch]) -> str:
    """Return a remedy if the missing endpoints suggest one: a loopback host, or a name that does not resolve."""
    if any(watch.endpoint.host in _LOOPBACK and watch.refused for watch in missing):
        return "; in a container, localhost is that container: name the host of the service in ENTRYPOINT_WAIT_FOR"
    return "; check ENTRYPOINT_WAIT_FOR" if any(watch.unknown for watch in missing) else ""


def _report_reachable(missing: list[Watch], began: float, tell: Callable[[str], None]) -> None:
    """Report the reachable endpoints and remove them from `missing`. Raises Unusable after a permanent error."""
    Unusable.check(f"cannot reach {watch.endpoint}: {watch.failure}" for watch in missing if watch.failure)
    for watch in [watch for watch in missing if watch.reachable]:
        watch.join()
        missing.remove(watch)
        tell(f"    {watch.endpoint} reachable after {time.monotonic() - began:.1f} s")
