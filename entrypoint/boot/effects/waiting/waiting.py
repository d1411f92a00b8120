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
        self.reachable = False
        self.late = False  # whether the first probe failed
        self.error: OSError | None = None  # of the last probe
        self.failure = ""  # a permanent error
        self._deadline = deadline
        self._bell = bell

    def run(self) -> None:
        """Probe until the endpoint is reachable, fails permanently or the deadline has passed."""
        delay = _FIRST_DELAY
        while not self.reachable and not self.failure and (left := self._deadline - time.monotonic()) > 0:
            try:
                probe(self.endpoint, min(_TRY, left))
                self.reachable = True
            except OSError as error:
                self.late = True
                if not (isinstance(error, TimeoutError) and left < _TRY):  # the deadline cut this try short
                    self.error = error
                time.sleep(delay)
                delay = min(delay * 1.5, _LONGEST_DELAY)
            except Exception as error:  # noqa: BLE001 -- the main thread reports it
                self.failure = shown(str(error) if isinstance(error, PermanentError) else repr(error))
        with suppress(OSError):  # the main thread no longer waits
            self._bell.send(b"!")

    @property
    def why(self) -> str:
        """Why the endpoint is not reachable yet."""
        if self.error is None:
            return "it does not answer"
        unknown = isinstance(self.error, socket.gaierror)  # the name of a container resolves when it starts
        return shown(f"unknown host {self.endpoint.host}" if unknown else self.error.strerror or str(self.error))


def wait_for(endpoints: Sequence[Endpoint], seconds: float, tell: Callable[[str], None], stops: StopRequests) -> bool:
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
    if any(watch.endpoint.host in _LOOPBACK and isinstance(watch.error, ConnectionRefusedError) for watch in missing):
        return "; in a container, localhost is that container: name the host of the service in ENTRYPOINT_WAIT_FOR"
    unknown = any(isinstance(watch.error, socket.gaierror) for watch in missing)
    return "; check ENTRYPOINT_WAIT_FOR" if unknown else ""


def _report_reachable(missing: list[Watch], began: float, tell: Callable[[str], None]) -> None:
    """Report the reachable endpoints and remove them from `missing`. Raises Unusable after a permanent error."""
    Unusable.check(f"cannot reach {watch.endpoint}: {watch.failure}" for watch in missing if watch.failure)
    for watch in [watch for watch in missing if watch.reachable]:
        watch.join()
        missing.remove(watch)
        tell(f"    {watch.endpoint} reachable after {time.monotonic() - began:.1f} s")
