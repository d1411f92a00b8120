"""What HEALTHCHECK and exec probes call: one request to this container's own nginx, or without it one look."""

import socket
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Final

_PATIENCE: Final = 3.0  # seconds; Docker's own limit for a HEALTHCHECK is 30


def probe(host: str, port: int, what: str, *, tls: bool) -> tuple[bool, str]:
    """Ask nginx there for `ready` or `live`; return whether it is, and one line why."""
    connection = _over_tls(host, port) if tls else HTTPConnection(host, port, timeout=_PATIENCE)
    try:
        connection.request("GET", f"/-/{what}")
        response = connection.getresponse()
        said = response.read(500).decode(errors="replace").strip()
    except (OSError, HTTPException) as error:
        return False, f"cannot reach {host}:{port}: {error}"
    finally:
        connection.close()
    return response.status == 200, said or f"status {response.status}"  # noqa: PLR2004 -- HTTP's word for yes


def look(host: str, port: int, ready_file: Path, what: str) -> tuple[bool, str]:
    """Look by ourselves, where nothing serves our health paths: live is what listens, ready what the file says."""
    try:
        if what == "ready":
            return True, ready_file.read_text(encoding="utf-8").strip()
        with socket.create_connection((host, port), _PATIENCE):
            return True, "live"
    except FileNotFoundError:
        return False, "not ready"
    except OSError as error:
        return False, f"cannot reach {ready_file if what == 'ready' else f'{host}:{port}'}: {error.strerror or error}"


def _over_tls(host: str, port: int) -> HTTPSConnection:
    import ssl  # noqa: PLC0415 -- 10 ms that only TLS has to pay

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The certificate is for the site's name and not for the address of this very machine, which we ask.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return HTTPSConnection(host, port, timeout=_PATIENCE, context=context)
