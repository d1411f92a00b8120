"""Connects to endpoints without ever blocking: supervisord has one thread."""

import contextlib
import errno
import os
import re
import select
import socket
import stat
from collections.abc import Callable, Generator, Mapping
from typing import NamedTuple

from entrypoint.protocol.probe import Kind, Probe
from entrypoint.supervision.tasks import Steps, Tasks, Wait

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
    return get(probe.target, {"Host": host, "User-Agent": "entrypoint", "Accept": "*/*"})


def get(path: str, headers: Mapping[str, str]) -> bytes:
    """Return an HTTP request, after whose response the server closes the connection."""
    lines = (f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()))
    return "\r\n".join((*lines, "Connection: close", "", "")).encode("ascii")


def attempt(tasks: Tasks, endpoint: Endpoint, report: Report) -> Callable[[], None]:
    """Probe `endpoint` and call `report` once, maybe immediately. Return a function that cancels the attempt.

    Raises OSError if no descriptor is free.
    """
    connection = socket.socket(endpoint.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    return tasks.start(_attempt(connection, endpoint, report), endpoint.seconds)


def _attempt(connection: socket.socket, endpoint: Endpoint, report: Report) -> Steps:
    with connection:
        try:
            fault = yield from _probe(connection, endpoint)
        except OSError as error:
            report(error.strerror or str(error))
            return
        report(fault)
        # A server logs an error if the connection closes while it writes: read the whole response.
        with contextlib.suppress(OSError):
            while endpoint.request and (yield from _received(connection, endpoint)):
                continue


def _probe(connection: socket.socket, endpoint: Endpoint) -> Generator[Wait, bool, str | None]:
    """Return the fault, None for a success. Raises OSError."""
    error = endpoint.connect(connection, endpoint.address)
    if error == errno.EINPROGRESS:
        yield from _ready(connection, select.EPOLLOUT, endpoint)
        error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, os.strerror(error))
    if endpoint.family != socket.AF_UNIX and connection.getsockname() == connection.getpeername():
        # Without a listener, the kernel may choose this very port for our end, and we connect to ourselves.
        raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
    if endpoint.until_closed:
        connection.shutdown(socket.SHUT_WR)
        yield from _ready(connection, select.EPOLLIN, endpoint)
    if not endpoint.request:
        return None
    connection.send(endpoint.request)
    response = b""
    while b"\n" not in response and len(response) < LONGEST_LINE:
        data = yield from _received(connection, endpoint)
        if not data:
            break
        response += data
    status = _STATUS.match(response)
    if status is None:
        return "not an HTTP response" if response else "closed the connection without a response"
    return f"status {int(status[1])}" if int(status[1]) in endpoint.failures else None


def _received(connection: socket.socket, endpoint: Endpoint) -> Generator[Wait, bool, bytes]:
    yield from _ready(connection, select.EPOLLIN, endpoint)
    return connection.recv(RECEIVED)


def _ready(connection: socket.socket, events: int, endpoint: Endpoint) -> Steps:
    if not (yield Wait(connection.fileno(), events)):
        raise TimeoutError(f"no response within {endpoint.seconds:g} s")
