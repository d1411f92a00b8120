"""Connects to endpoints without ever blocking: supervisord has one thread."""

import contextlib
import errno
import os
import re
import sched
import select
import socket
import stat
from collections.abc import Callable, Iterator
from typing import NamedTuple

from entrypoint.protocol.probe import Kind, Probe

TIMEOUT = 5.0
"""Seconds for one attempt, unless the endpoint says otherwise."""

FAILURES = range(400, 1000)
"""The HTTP statuses that are failures, unless the endpoint says otherwise."""

RECEIVED = 4096
LONGEST_LINE = 4096
"""Bytes."""

_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")

Report = Callable[[str | None], None]
"""Takes the outcome of an attempt: None for success, otherwise the reason of the failure."""


Connect = Callable[[socket.socket, str | tuple[str, int]], int]
"""Starts to connect a socket to an address, and returns the error number."""


def connect(connection: socket.socket, address: str | tuple[str, int]) -> int:
    """Start to connect, and return the error number, as connect_ex() does. Raises OSError.

    The application's user may replace a socket in its folder by a symbolic link to one that only root can use. So root
    opens the path without following a link, and connects to what it has opened.
    """
    if not isinstance(address, str) or os.geteuid():
        return connection.connect_ex(address)
    opened = os.open(address, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if stat.S_ISLNK(os.fstat(opened).st_mode):
            raise OSError(errno.ELOOP, "root does not follow a symbolic link")
        return connection.connect_ex(f"/proc/self/fd/{opened}")
    finally:
        os.close(opened)


class Endpoint(NamedTuple):
    """An address to connect to, and the request to send there. Without a request, a connection is a success."""

    family: socket.AddressFamily
    address: str | tuple[str, int]
    request: bytes = b""
    seconds: float = TIMEOUT
    failures: range = FAILURES
    until_closed: bool = False
    """Send the end of the connection at once, and wait until the other side closes it, too."""
    connect: Connect = connect

    @classmethod
    def of(cls, probe: Probe) -> "Endpoint":
        """Return the endpoint of a probe of the kind unix, tcp or http."""
        if probe.kind is Kind.UNIX:
            return cls(socket.AF_UNIX, probe.target)
        family = socket.AF_INET6 if ":" in probe.host else socket.AF_INET
        return cls(family, (probe.host, probe.port), _request(probe) if probe.kind is Kind.HTTP else b"")


def _request(probe: Probe) -> bytes:
    host = probe.text.split("/")[2]
    lines = (f"GET {probe.target} HTTP/1.1", f"Host: {host}", "User-Agent: entrypoint", "Accept: */*")
    return "\r\n".join((*lines, "Connection: close", "", "")).encode("ascii")


class _Attempt:
    """One attempt to reach an endpoint."""

    def __init__(self, endpoint: Endpoint, report: Report) -> None:
        self.connection = socket.socket(endpoint.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.steps = _probe(self.connection, endpoint)
        self.seconds = endpoint.seconds
        self._report: Report | None = report

    def proceed(self) -> int | None:
        """Continue. Return the events of epoll(7) to wait for, None at the end."""
        try:
            while True:
                step = next(self.steps)
                if isinstance(step, int):
                    return step
                self.report(step.fault)
        except StopIteration:
            return None
        except OSError as error:
            self.report(error.strerror or str(error))
            return None

    def report(self, fault: str | None) -> None:
        """Report the outcome, once."""
        report, self._report = self._report, None
        if report:
            report(fault)


class _Outcome(NamedTuple):
    fault: str | None


def _probe(connection: socket.socket, endpoint: Endpoint) -> Iterator[int | _Outcome]:
    """Yield the events to wait for and, once, the outcome. Raises OSError."""
    error = endpoint.connect(connection, endpoint.address)
    if error == errno.EINPROGRESS:
        yield select.EPOLLOUT
        error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, os.strerror(error))
    if endpoint.family != socket.AF_UNIX and connection.getsockname() == connection.getpeername():
        # Without a listener, the kernel may choose this very port for our end, and we connect to ourselves.
        raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
    if endpoint.until_closed:
        connection.shutdown(socket.SHUT_WR)
        yield select.EPOLLIN
    if not endpoint.request:
        yield _Outcome(None)
        return
    connection.send(endpoint.request)
    response = b""
    while b"\n" not in response and len(response) < LONGEST_LINE:
        yield select.EPOLLIN
        data = connection.recv(RECEIVED)
        if not data:
            break
        response += data
    status = _STATUS.match(response)
    if status is None:
        yield _Outcome("not an HTTP response" if response else "closed the connection without a response")
    else:
        yield _Outcome(f"status {int(status[1])}" if int(status[1]) in endpoint.failures else None)
    # A server logs an error if the connection closes while it writes: read the whole response.
    while data:
        yield select.EPOLLIN
        data = connection.recv(RECEIVED)


class Prober:
    """All pending attempts, and one descriptor that is readable when one of them can continue."""

    def __init__(self, timers: sched.scheduler) -> None:
        self._timers = timers
        self._epoll = select.epoll()
        self._attempts: dict[int, tuple[_Attempt, sched.Event]] = {}
        self.fd = self._epoll.fileno()

    def attempt(self, endpoint: Endpoint, report: Report) -> Callable[[], None]:
        """Probe `endpoint` and call `report`, maybe immediately. Return a function that cancels the attempt."""
        attempt = _Attempt(endpoint, report)
        fd = attempt.connection.fileno()
        self._attempts[fd] = attempt, self._timers.enter(endpoint.seconds, 0, self._time_out, (fd, attempt))
        self._epoll.register(fd, 0)
        self._proceed(fd, attempt)
        return lambda: self._end(fd, attempt)

    def proceed(self) -> None:
        """Continue one attempt. Only one, because it may end others, whose descriptor may be reused."""
        for fd, _ in self._epoll.poll(0, 1):
            self._proceed(fd, self._attempts[fd][0])

    def close(self) -> None:
        """Cancel all attempts."""
        for fd, (attempt, _) in list(self._attempts.items()):
            self._end(fd, attempt)
        self._epoll.close()

    def _proceed(self, fd: int, attempt: _Attempt) -> None:
        events = attempt.proceed()
        if events is None:
            self._end(fd, attempt)
        elif self._has(fd, attempt):
            self._epoll.modify(fd, events)

    def _time_out(self, fd: int, attempt: _Attempt) -> None:
        self._end(fd, attempt)
        attempt.report(f"no response within {attempt.seconds:g} s")

    def _end(self, fd: int, attempt: _Attempt) -> None:
        if self._has(fd, attempt):
            _, timer = self._attempts.pop(fd)
            with contextlib.suppress(ValueError):  # a timer that has fired is no longer in the queue
                self._timers.cancel(timer)
            attempt.connection.close()  # which removes it from the epoll, too

    def _has(self, fd: int, attempt: _Attempt) -> bool:
        return fd in self._attempts and self._attempts[fd][0] is attempt
