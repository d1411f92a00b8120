"""What HEALTHCHECK and exec probes call: one request to this container's own nginx."""

from http.client import HTTPConnection, HTTPException
from typing import Final

_PATIENCE: Final = 3.0  # seconds; Docker's own limit for a HEALTHCHECK is 30


def probe(host: str, port: int, what: str) -> tuple[bool, str]:
    """Ask nginx there for `ready` or `live`; return whether it is, and one line why."""
    connection = HTTPConnection(host, port, timeout=_PATIENCE)
    try:
        connection.request("GET", f"/-/{what}")
        response = connection.getresponse()
        said = response.read(500).decode(errors="replace").strip()
    except (OSError, HTTPException) as error:
        return False, f"cannot reach {host}:{port}: {error}"
    finally:
        connection.close()
    return response.status == 200, said or f"status {response.status}"  # noqa: PLR2004 -- HTTP's word for yes
