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


def look(address: tuple[str, int] | str, ready_file: Path, what: str) -> tuple[bool, str]:
    """Look by ourselves, where nothing serves our health paths: live is what listens, ready what the file says.

    What listens is the site, or, where none is served, supervisord on the Unix socket of that path.
    """
    try:
        if what == "ready":
            return True, ready_file.read_text(encoding="utf-8").strip()
        _connect(address)
    except OSError as error:
        if what == "ready" and isinstance(error, FileNotFoundError):
            return False, "not ready"
        where = ready_file if what == "ready" else address if isinstance(address, str) else "{}:{}".format(*address)
        return False, f"cannot reach {where}: {error.strerror or error}"
    return True, "live"


def _connect(address: tuple[str, int] | str) -> None:
    with socket.socket(_family(address)) as connection:
        connection.settimeout(_PATIENCE)
        connection.connect(address)


def _family(address: tuple[str, int] | str) -> socket.AddressFamily:
    if isinstance(address, str):
        return socket.AF_UNIX
    return socket.AF_INET6 if ":" in address[0] else socket.AF_INET


def _over_tls(host: str, port: int) -> HTTPSConnection:
    import ssl  # noqa: PLC0415 -- 10 ms that only TLS has to pay

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The certificate is for the site's name and not for the address of this very machine, which we ask.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return HTTPSConnection(host, port, timeout=_PATIENCE, context=context)
