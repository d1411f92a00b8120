"""An HTTP server in supervisord's loop. It never blocks the loop, and it keeps little of what a client sends.

The application's user may connect, so a client may be hostile: it gets a few connections, each for a few seconds.
"""

import socket
from collections.abc import Callable, Collection
from ipaddress import IPv4Network, IPv6Network, ip_address

from entrypoint.supervision.tasks import Steps, Tasks
from entrypoint.supervision.web.conversation import Routes, converse

MOST = 16
"""Connections at the same time; others wait in the backlog."""

DEADLINE = 5.0
"""Seconds for a whole connection."""

Network = IPv4Network | IPv6Network


class Server:
    """The connections of all clients."""

    def __init__(
        self,
        tasks: Tasks,
        routes: Routes,
        *,
        allow: Collection[Network],
        log: Callable[[str], None],
        seconds: float = DEADLINE,
    ) -> None:
        """Serve `routes` to clients of the Unix socket, and of the networks `allow`; if that is empty, to all.

        Call `log` with the exception of a handler. A connection may take so many `seconds`.
        """
        self._tasks = tasks
        self.routes = routes
        """The handlers of new requests."""
        self._allow = allow
        self._log = log
        self._seconds = seconds
        self.connections = 0

    def accepts(self) -> bool:
        """Return whether another client may connect."""
        return self.connections < MOST

    def accept(self, listener: socket.socket) -> None:
        """Accept a connection, and serve it."""
        try:
            accepted, peer = listener.accept()
        except OSError:  # the client is gone, or there are no descriptors left
            return
        accepted.setblocking(False)  # noqa: FBT003 - its signature
        address = peer[0].partition("%")[0] if isinstance(peer, tuple) else ""
        if self._allows(address):
            self._tasks.start(self._serve(accepted, address), self._seconds)
        else:
            accepted.close()

    def _allows(self, address: str) -> bool:
        return not (self._allow and address) or any(ip_address(address) in network for network in self._allow)

    def _serve(self, accepted: socket.socket, address: str) -> Steps:
        self.connections += 1
        try:
            with accepted:
                yield from converse(accepted, self.routes, address)
        except OSError:
            return  # the client is gone
        except Exception as error:  # noqa: BLE001 - as the guard: the connection must end
            self._log(f"internal error, the request is not answered: {type(error).__name__}: {error}")
        finally:
            self.connections -= 1
