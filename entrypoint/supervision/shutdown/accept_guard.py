"""Keeps new connections away from nginx while it stops listening.

When the last process of nginx closes its socket, the kernel resets the connections that were not accepted yet, although
their clients may have sent a request already. So before nginx is stopped, the guard listens in its place, with a
minimum TTL that no client's packets have, so it receives nothing. A client that connects meanwhile gets no response,
retries after a second, as TCP does, and is refused then.

If two listeners share a port by SO_REUSEPORT, Linux prefers the one that is bound to the exact address. If both have
the same IPv4 address, it prefers the newer one if that is bound to an interface (otherwise both would be one group). If
both have the same IPv6 address, it prefers the older one, so nginx on a single IPv6 address is not guarded.
"""

import errno
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

SETTLING = 0.1
"""Seconds in which nginx accepts the waiting connections and those that began before, which takes a round trip."""

CLOSING = 0.5
"""Seconds from nginx's stop signal until it has certainly stopped listening; then new clients are refused."""

_HIGHEST_TTL = 255
_MINIMUM_TTL = {  # level and option, <linux/in.h> and <linux/in6.h>
    socket.AF_INET: (socket.IPPROTO_IP, 21),  # IP_MINTTL
    socket.AF_INET6: (socket.IPPROTO_IPV6, 73),  # IPV6_MINHOPCOUNT
}
# An interface or an address that has gone, or that is not usable yet: no client can connect to it either.
_UNUSABLE = frozenset({errno.EADDRNOTAVAIL, errno.ENODEV})


class AcceptGuard:
    """Guards addresses on which nginx listens with `reuseport` and as the same user."""

    def __init__(self, addresses: Sequence[str], warn: Callable[[str], None]) -> None:
        """`addresses` are texts such as 0.0.0.0:80 and [::]:80; `warn` logs why one cannot be guarded."""
        self._addresses = addresses
        self._warn = warn
        self._sockets: list[socket.socket] | None = None

    def hold(self) -> bool:
        """Hold new connections. Return False if they are held already or cannot be held."""
        if self._sockets is not None:
            return False
        self._sockets = []
        for address in self._addresses:
            host, _, port = address.rpartition(":")
            try:
                self._sockets += _deaf_sockets(host.strip("[]"), int(port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:  # a user's own configuration listens without `reuseport`
                    self._warn(f"cannot hold new connections to {address} while nginx stops: {error.strerror}")
        return bool(self._sockets)

    def release(self) -> None:
        """Let the kernel refuse new connections."""
        for each in self._sockets or ():
            each.close()


def _deaf_sockets(host: str, port: int) -> Iterator[socket.socket]:
    """Yield sockets that take precedence over nginx's on this address and receive nothing. Raises OSError."""
    for place in _places(host, port):
        try:
            made = _listen(*place)
        except OSError as error:
            if error.errno not in _UNUSABLE:
                raise
        else:
            yield made


def _places(host: str, port: int) -> Iterator[tuple[socket.AddressFamily, tuple[str | int, ...], str]]:
    """Yield the family, address and interface of each socket that takes precedence."""
    if ":" not in host:
        for _, interface in socket.if_nameindex():
            yield socket.AF_INET, (host, port), interface
    elif host == "::":
        for line in Path("/proc/net/if_inet6").read_text("ascii").splitlines():
            address, index, *_ = line.split()
            own = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(address))
            yield socket.AF_INET6, (own, port, 0, int(index, 16)), ""


def _listen(family: socket.AddressFamily, address: tuple[str | int, ...], interface: str) -> socket.socket:
    made = socket.socket(family)
    try:
        made.setsockopt(*_MINIMUM_TTL[family], _HIGHEST_TTL)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if interface:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        made.bind(address)
        made.listen(1)
    except OSError:
        made.close()
        raise
    return made
