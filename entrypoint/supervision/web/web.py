"""The HTTP server of one round of supervisord. Its sockets open at the start; its code is imported when needed."""

import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

from entrypoint.protocol.supervision import MetricsConfig
from entrypoint.supervision.internals import Supervisord
from entrypoint.supervision.tasks import Tasks

if TYPE_CHECKING:
    from entrypoint.supervision.web.conversation import Routes
    from entrypoint.supervision.web.server import Server


BACKLOG = 16
"""Connections that wait to be accepted."""

EVERYBODY = 0o666
"""The mode of the Unix socket: nginx and the users of this container may connect."""

UNASKED = 60.0
"""Seconds after which requests are counted although nobody has asked for metrics yet."""


class Web:
    """The listening sockets, and the server once a client has connected."""

    def __init__(
        self,
        config: MetricsConfig | None,
        supervisord: Supervisord,
        tasks: Tasks,
        routes: Callable[[MetricsConfig], "Routes"],
    ) -> None:
        """Without a configuration, serve nothing. `routes` returns the handlers by method and path."""
        self._config = config
        self._supervisord = supervisord
        self._tasks = tasks
        self._routes = routes
        self._listeners: list[socket.socket] = []
        self._server: Server | None = None

    def open(self) -> None:
        """Listen."""
        if self._config:
            self._listeners = listen(Path(self._config.socket), self._config.listen, self._supervisord.warn)
        for each in self._listeners:
            self._supervisord.watch(each.fileno(), self._begin)
        if self._config and self._config.requests:  # nginx's file must stay small although nobody asks for metrics
            self._tasks.timers.enter(UNASKED, 0, self._begin)

    def _begin(self) -> None:
        """Import the server, and let it accept the first connection."""
        from entrypoint.supervision.web.server import Server  # noqa: PLC0415 - not needed without a client

        if self._config is None or self._server:
            return
        self._server = server = Server(
            self._tasks,
            self._routes(self._config),
            allow=tuple(map(ip_network, self._config.allow)),
            log=self._supervisord.critical,
        )
        for each in self._listeners:
            self._supervisord.watch(each.fileno(), partial(server.accept, each), while_=server.accepts)

    def renew(self, config: MetricsConfig | None) -> None:
        """Use the configuration of a reload. The sockets stay open, unless the addresses have changed."""
        if config and self._config and _fixed(config) == _fixed(self._config):
            self._config = config
            if self._server:
                self._server.routes = self._routes(config)
            return
        self.close()
        self._config = config
        self.open()

    def close(self) -> None:
        """Listen no longer. Open connections may end."""
        self._server = None
        for each in self._listeners:
            self._supervisord.unwatch(each.fileno())
            each.close()
        if self._config and self._listeners:
            with suppress(OSError):  # nginx need not try it
                Path(self._config.socket).unlink()
        self._listeners = []


def _fixed(config: MetricsConfig) -> tuple[object, ...]:
    """Return the part of the configuration whose change needs new sockets and a new server."""
    return config.socket, config.listen, config.allow, config.requests


def listen(path: Path, addresses: Iterable[str], log: Callable[[str], None]) -> list[socket.socket]:
    """Return listening sockets: the Unix socket `path`, and `addresses` such as 0.0.0.0:9100 and [::]:9100.

    Call `log` with the reason for each that cannot be opened: the site is served without it.
    """
    found = []
    for name in (str(path), *addresses):
        try:
            found.append(_listening(name))
        except OSError as error:
            log(f"cannot listen on {name}: {error.strerror or error}")
    return found


def _listening(name: str) -> socket.socket:
    family = {"/": socket.AF_UNIX, "[": socket.AF_INET6}.get(name[0], socket.AF_INET)
    made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        if family == socket.AF_UNIX:
            Path(name).unlink(missing_ok=True)
            made.bind(name)
            Path(name).chmod(EVERYBODY)
        else:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            address, _, port = name.rpartition(":")
            made.bind((address.strip("[]"), int(port)))
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made
