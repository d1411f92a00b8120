"""granian, which listens on the socket that it has inherited. It has no option for that."""

from importlib import import_module
from typing import Any

_DESCRIPTOR = 3  # entrypoint/protocol/supervision.py, LISTENER
_BACKLOG = 1024  # granian does not use it: the socket listens already
_server: Any = import_module("granian.server.common")


class _Inherited:
    """Takes the place of the Unix socket that granian would open for its option --uds."""

    def __init__(self, *_: object) -> None:
        pass

    def build(self) -> Any:
        """Return the socket: its descriptor, whether it is a Unix socket, its backlog."""
        return import_module("granian.net").SocketHolder(_DESCRIPTOR, False, _BACKLOG)  # noqa: FBT003 -- its signature


_server.UnixSocketSpec = _Inherited
if __name__ == "__main__":  # a worker that multiprocessing spawns imports this file, too
    import_module("granian.cli").entrypoint()
