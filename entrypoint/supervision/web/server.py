"""An HTTP server in supervisord's loop. It never blocks it, and it keeps little of what a client sends.

The application's user may connect, so a client may be hostile: it gets a few connections, each for a few seconds.
"""

import contextlib
import sched
import select
import socket
import time
from collections.abc import Callable, Collection, Generator, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address

from entrypoint.supervision.web.conversation import DEADLINE, Routes, Wait, converse

MOST = 16
"""Connections at the same time; others wait in the backlog."""

Network = IPv4Network | IPv6Network


class Server:
    """The open connections, and one descriptor that is readable when one of them can continue."""

    def __init__(  # noqa: PLR0913 - what to serve, to whom, and by what means
        self,
        listeners: Iterable[socket.socket],
        timers: sched.scheduler,
        routes: Routes,
        *,
        allow: Collection[Network],
        log: Callable[[str], None],
        seconds: float = DEADLINE,
    ) -> None:
        """Serve `routes` to clients of the Unix socket, and of the networks `allow`; if that is empty, to all.

        Call `log` with the exception of a handler. A connection may take so many `seconds`.
        """
        self._timers = timers
        self.routes = routes
        """A new request gets these."""
        self._allow = allow
        self._log = log
        self._seconds = seconds
        self._listeners = {each.fileno(): each for each in listeners}
        self._epoll = select.epoll()
        self._connections: set[_Connection] = set()
        self._waiting: dict[int, _Connection] = {}
        self._accepting = False
        self._accept_more()
        self.fd = self._epoll.fileno()

    def proceed(self) -> None:
        """Accept one connection, or continue one: supervisord's other work comes between."""
        for fd, _ in self._epoll.poll(0, 1):
            if listener := self._listeners.get(fd):
                self._accept(listener)
            elif connection := self._waiting.get(fd):
                self._resume(connection, in_time=True)

    def close(self) -> None:
        """End all connections. The listening sockets stay open."""
        for connection in list(self._connections):
            self._end(connection)
        self._epoll.close()

    def _accept(self, listener: socket.socket) -> None:
        try:
            accepted, peer = listener.accept()
        except OSError:  # the client is gone, or there are no descriptors left
            return
        accepted.setblocking(False)  # noqa: FBT003 - its signature
        if not self._allows(peer):
            accepted.close()
            return
        address = peer[0].partition("%")[0] if isinstance(peer, tuple) else ""
        steps = converse(accepted, self.routes, address)
        connection = _Connection(accepted, steps, time.monotonic() + self._seconds)
        self._connections.add(connection)
        self._accept_more()
        self._resume(connection, in_time=None)

    def _accept_more(self) -> None:
        """Accept connections while there are fewer than MOST."""
        wanted = len(self._connections) < MOST
        if wanted != self._accepting:
            change = (lambda fd: self._epoll.register(fd, select.EPOLLIN)) if wanted else self._epoll.unregister
            for fd in self._listeners:
                change(fd)
            self._accepting = wanted

    def _allows(self, peer: object) -> bool:
        if not self._allow or not isinstance(peer, tuple):
            return True
        address = ip_address(peer[0].partition("%")[0])
        return any(address in network for network in self._allow)

    def _resume(self, connection: "_Connection", *, in_time: bool | None) -> None:
        self._forget(connection)
        left = connection.expires - time.monotonic()
        try:
            wait = connection.steps.send(in_time) if left > 0 else None
        except (StopIteration, OSError):
            wait = None
        except Exception as error:  # noqa: BLE001 - as the guard: the connection must end
            self._log(f"internal error, the request is not answered: {type(error).__name__}: {error}")
            wait = None
        if wait is None:
            self._end(connection)
            return
        self._epoll.register(wait.fd, wait.events)
        self._waiting[wait.fd] = connection
        timer = self._timers.enter(min(wait.seconds, left), 0, self._time_out, (connection,))
        connection.pending = wait, timer

    def _time_out(self, connection: "_Connection") -> None:
        if connection in self._connections:
            self._resume(connection, in_time=False)

    def _forget(self, connection: "_Connection") -> None:
        """Stop waiting for the connection's event."""
        if connection.pending:
            wait, timer = connection.pending
            connection.pending = None
            del self._waiting[wait.fd]
            with contextlib.suppress(OSError):  # the kernel removes a descriptor that is closed
                self._epoll.unregister(wait.fd)
            with contextlib.suppress(ValueError):  # a timer that has fired is no longer in the queue
                self._timers.cancel(timer)

    def _end(self, connection: "_Connection") -> None:
        self._forget(connection)
        connection.steps.close()
        connection.socket.close()
        self._connections.discard(connection)
        self._accept_more()


class _Connection:
    """One accepted connection."""

    def __init__(self, accepted: socket.socket, steps: Generator[Wait, bool | None, None], expires: float) -> None:
        self.socket = accepted
        self.steps = steps
        self.expires = expires
        self.pending: tuple[Wait, sched.Event] | None = None
