"""Keeps new connections away from nginx while it stops listening.

Who still waits to be accepted when the last process of nginx closes its socket is reset by the kernel, though they
believe to be connected and may have sent their request. So before nginx is stopped, sockets of ours listen in its
place, with a least TTL that no client's packets have: they hear nothing. Who connects meanwhile gets no answer, tries
again after a second, as TCP does, and is refused then.

Of two listeners that share a port by SO_REUSEPORT Linux takes the one that is bound to the very address; of two with
the same IPv4 address the one that came last, if it is bound to an interface, or else both would be one group. With the
same IPv6 address it takes the one that came first, so nginx on a single one is not relieved.
"""

import errno
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

SETTLING = 0.1
"""Seconds for which nginx still accepts who waits and whose connection was begun before, which takes a round trip."""

CLOSING = 0.5
"""Seconds from nginx's signal until it surely listens no more, and who arrives is to be refused at once."""

_HIGHEST_TTL = 255
_LEAST_TTL = {  # level and option, <linux/in.h> and <linux/in6.h>
    socket.AF_INET: (socket.IPPROTO_IP, 21),  # IP_MINTTL
    socket.AF_INET6: (socket.IPPROTO_IPV6, 73),  # IPV6_MINHOPCOUNT
}
# A configuration of the user's own listens elsewhere or shares no port, or an address is not usable yet.
_EXPECTED = frozenset({errno.EADDRINUSE, errno.EADDRNOTAVAIL})


class Arrivals:
    """New connections to some addresses, on which nginx listens with `reuseport` and as the same user."""

    def __init__(self, addresses: Sequence[str], complain: Callable[[str], None]) -> None:
        """`addresses` are texts such as 0.0.0.0:80 and [::]:80; `complain` is told why they cannot be held."""
        self._addresses = addresses
        self._complain = complain
        self._holders: list[socket.socket] | None = None

    def hold(self) -> bool:
        """Hold them; return False where that is done already or cannot be done."""
        if self._holders is not None:
            return False
        self._holders = []
        for address in self._addresses:
            host, _, port = address.rpartition(":")
            try:
                self._holders += _deaf(host.strip("[]"), int(port))
            except OSError as error:
                if error.errno not in _EXPECTED:
                    self._complain(f"cannot hold new connections to {address} while nginx stops: {error.strerror}")
        return bool(self._holders)

    def release(self) -> None:
        """Let them be refused."""
        for holder in self._holders or ():
            holder.close()


def _deaf(host: str, port: int) -> Iterator[socket.socket]:
    """Yield sockets that listen in place of the one with this address, and hear nothing. Raises OSError."""
    if ":" not in host:
        for _, interface in socket.if_nameindex():
            yield _listen(socket.AF_INET, (host, port), interface)
    elif host == "::":
        for line in Path("/proc/net/if_inet6").read_text("ascii").splitlines():
            address, index, *_ = line.split()
            own = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(address))
            yield _listen(socket.AF_INET6, (own, port, 0, int(index, 16)))


def _listen(family: socket.AddressFamily, address: tuple[str | int, ...], interface: str = "") -> socket.socket:
    made = socket.socket(family)
    try:
        made.setsockopt(*_LEAST_TTL[family], _HIGHEST_TTL)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if interface:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        made.bind(address)
        made.listen(1)
    except OSError:
        made.close()
        raise
    return made
