"""The health check for HEALTHCHECK and exec probes: by this container's nginx, or without it."""

import json
import socket
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Final

from entrypoint.protocol import filenames

_TIMEOUT: Final = 3.0  # seconds; Docker's own limit for a HEALTHCHECK is 30
_AFTER_THE_START: Final = ("restarting", "unresponsive", "stopped", "stopping", "failed")  # supervisord's own phases


def probe(host: str, port: int, what: str, *, tls: bool) -> tuple[bool, str]:
    """Request `ready` or `live` from nginx; return whether the status is 200, and the reason in one line."""
    connection = _over_tls(host, port) if tls else HTTPConnection(host, port, timeout=_TIMEOUT)
    try:
        connection.request("GET", f"/-/{what}")
        response = connection.getresponse()
        text = response.read(500).decode(errors="replace").strip()
    except (OSError, HTTPException) as error:
        return False, f"cannot reach {host}:{port}: {error}"
    finally:
        connection.close()
    healthy = response.status == 200  # noqa: PLR2004 -- OK
    return healthy, (in_words(text) if what == "ready" else text) or f"status {response.status}"


def in_words(text: str) -> str:
    """Return the JSON of `/-/ready` as a line, which distinguishes a site that is starting from a broken one."""
    try:
        found = json.loads(text)
        phase = str(found["phase"])
    except (ValueError, KeyError, TypeError):  # a template of the user's own answers
        return text
    if phase == "ready":
        return phase
    counted = f" {found['done']}/{found['of']}" if "done" in found and "of" in found else ""
    if why := found.get("why"):
        return f"not ready: {why}"
    if phase.startswith("starting"):
        return phase
    if phase in _AFTER_THE_START:
        return f"not ready: {' '.join((phase, *map(str, found.get('programs', ()))))}"
    return f"starting: {phase}{counted}"


def check(address: tuple[str, int] | str, run_dir: Path, what: str) -> tuple[bool, str]:
    """Test the health without nginx; return whether it is good, and the reason in one line.

    `live` means that `address` accepts a connection: the server's, or supervisord's Unix socket where the container
    serves no site. `ready` means that the ready file exists in the run directory.
    """
    ready_file = run_dir / filenames.READY
    try:
        if what == "ready":
            return True, in_words(ready_file.read_text(encoding="utf-8"))
        _connect(address)
    except OSError as error:
        if what == "ready" and isinstance(error, FileNotFoundError):
            return False, unready(run_dir)
        where = ready_file if what == "ready" else address if isinstance(address, str) else "{}:{}".format(*address)
        return False, f"cannot reach {where}: {error.strerror or error}"
    return True, "live"


def unready(run_dir: Path) -> str:
    """Return why the site is not ready, in one line."""
    try:
        return in_words((run_dir / filenames.UNREADY).read_text(encoding="utf-8"))
    except OSError:
        return "not ready" if (run_dir / filenames.FIRST_READY).exists() else "starting"


def _connect(address: tuple[str, int] | str) -> None:
    if isinstance(address, tuple):
        socket.create_connection(address, _TIMEOUT).close()
        return
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_TIMEOUT)
        connection.connect(address)


def _over_tls(host: str, port: int) -> HTTPSConnection:
    import ssl  # noqa: PLC0415 -- 10 ms that only TLS has to pay

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The certificate names the site, not the loopback address that this request goes to.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return HTTPSConnection(host, port, timeout=_TIMEOUT, context=context)
