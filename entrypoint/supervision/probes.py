"""Whether somebody answers at an address. Nothing here waits, for supervisord has one thread."""

import contextlib
import errno
import os
import re
import sched
import select
import socket
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from entrypoint.supervision.promises import Kind, Probe

PATIENCE = 5.0
"""Seconds for an answer. No answer is none."""

HTTP_PORT = 80
FAILED = 400
"""The least status of an HTTP answer that is no success."""

LONGEST_PATH = 107
"""Bytes of sun_path in unix(7), without its end."""

RECEIVED = 4096
LONGEST_LINE = 4096
"""Bytes."""

_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")

Answer = Callable[[str | None], None]
"""Told once how an attempt went: None if well, else why not."""


class Endpoint(NamedTuple):
    """An address to connect to, and what to ask there; with no request it is enough to be let in."""

    family: socket.AddressFamily
    address: str | tuple[str, int]
    request: bytes = b""

    @classmethod
    def of(cls, probe: Probe) -> "Endpoint":
        """Return the target of a probe of the kind unix, tcp or http. Raises ValueError, which says why."""
        match probe.kind:
            case Kind.UNIX:
                return cls(socket.AF_UNIX, _unix(probe.target))
            case Kind.TCP:
                host, _, port = probe.target.rpartition(":")
                return cls(*_internet(host.removeprefix("[").removesuffix("]"), port))
            case Kind.HTTP:
                return _http(probe.target)
        raise ValueError(f"{probe.kind} is not asked: only unix, tcp and http are")


def _unix(path: str) -> str:
    if not path.startswith(("/", "@")):
        raise ValueError("the path of the socket is not absolute")
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise ValueError(f"the path of the socket is longer than {LONGEST_PATH} bytes")
    return "\0" + path[1:] if path.startswith("@") else path


def _internet(host: str, port: str) -> tuple[socket.AddressFamily, tuple[str, int]]:
    """Read an address. Looking up a name would wait, so there is only one that is known: localhost."""
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 2**16):
        raise ValueError(f"{port!r} is no port")
    if host == "localhost":
        host = "127.0.0.1"
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return family, (host, int(port))
    raise ValueError(f"{host!r} is neither an IP address nor localhost")


def _http(url: str) -> Endpoint:
    parts = urlsplit(url)
    if not url.isascii() or not url.isprintable() or " " in url or "@" in parts.netloc:
        raise ValueError("the URL has characters that it may not have")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = (f"GET {target} HTTP/1.1", f"Host: {parts.netloc}", "User-Agent: entrypoint", "Accept: */*")
    request = "\r\n".join((*lines, "Connection: close", "", "")).encode("ascii")
    return Endpoint(*_internet(parts.hostname or "", str(parts.port or HTTP_PORT)), request)


class _Attempt:
    """One try of a target."""

    def __init__(self, target: Endpoint, answer: Answer) -> None:
        self.connection = socket.socket(target.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.steps = _ask(self.connection, target)
        self._answer: Answer | None = answer

    def proceed(self) -> int | None:
        """Take a step. Return the events of epoll(7) to wait for, None when it is over."""
        try:
            while True:
                step = next(self.steps)
                if isinstance(step, int):
                    return step
                self.tell(step.fault)
        except StopIteration:
            return None
        except OSError as error:
            self.tell(error.strerror or str(error))
            return None

    def tell(self, fault: str | None) -> None:
        """Tell the outcome, once."""
        answer, self._answer = self._answer, None
        if answer:
            answer(fault)


class _Outcome(NamedTuple):
    fault: str | None


def _ask(connection: socket.socket, target: Endpoint) -> Iterator[int | _Outcome]:
    """Yield the events to wait for, and in between, once, the outcome. Raises OSError."""
    error = connection.connect_ex(target.address)
    if error == errno.EINPROGRESS:
        yield select.EPOLLOUT
        error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, os.strerror(error))
    if target.family != socket.AF_UNIX and connection.getsockname() == connection.getpeername():
        # With nobody there, the kernel may have chosen the port itself as ours: the connection is to ourselves.
        raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
    if not target.request:
        yield _Outcome(None)
        return
    connection.send(target.request)
    answer = b""
    while b"\n" not in answer and len(answer) < LONGEST_LINE:
        yield select.EPOLLIN
        data = connection.recv(RECEIVED)
        if not data:
            break
        answer += data
    status = _STATUS.match(answer)
    if status is None:
        yield _Outcome("no answer of HTTP")
    else:
        yield _Outcome(None if int(status[1]) < FAILED else f"status {int(status[1])}")
    # Whoever writes to a connection that is closed logs an error: let it say all it has.
    while data:
        yield select.EPOLLIN
        data = connection.recv(RECEIVED)


class Prober:
    """All attempts that are under way, and one descriptor that is readable when one of them can go on."""

    def __init__(self, timers: sched.scheduler) -> None:
        self._timers = timers
        self._epoll = select.epoll()
        self._attempts: dict[int, tuple[_Attempt, sched.Event]] = {}
        self.fd = self._epoll.fileno()

    def attempt(self, target: Endpoint, answer: Answer) -> Callable[[], None]:
        """Try `target`, and call `answer` with the outcome, maybe at once. Return how to break it off."""
        attempt = _Attempt(target, answer)
        fd = attempt.connection.fileno()
        self._attempts[fd] = attempt, self._timers.enter(PATIENCE, 0, self._too_late, (fd, attempt))
        self._epoll.register(fd, 0)
        self._proceed(fd, attempt)
        return lambda: self._end(fd, attempt)

    def proceed(self) -> None:
        """Go on with an attempt that can: with one, for it may end others, whose descriptor is used anew."""
        for fd, _ in self._epoll.poll(0, 1):
            self._proceed(fd, self._attempts[fd][0])

    def close(self) -> None:
        """Break off all attempts."""
        for fd, (attempt, _) in list(self._attempts.items()):
            self._end(fd, attempt)
        self._epoll.close()

    def _proceed(self, fd: int, attempt: _Attempt) -> None:
        events = attempt.proceed()
        if events is None:
            self._end(fd, attempt)
        elif self._has(fd, attempt):
            self._epoll.modify(fd, events)

    def _too_late(self, fd: int, attempt: _Attempt) -> None:
        self._end(fd, attempt)
        attempt.tell(f"no answer within {PATIENCE:g} s")

    def _end(self, fd: int, attempt: _Attempt) -> None:
        if self._has(fd, attempt):
            _, timer = self._attempts.pop(fd)
            with contextlib.suppress(ValueError):  # the timer that is running has left the queue
                self._timers.cancel(timer)
            attempt.connection.close()  # that takes it from the epoll too

    def _has(self, fd: int, attempt: _Attempt) -> bool:
        return fd in self._attempts and self._attempts[fd][0] is attempt
