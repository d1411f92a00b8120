"""Give a certificate to the nginx of this container."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from entrypoint.output.log import printable
from entrypoint.processes.table import processes
from entrypoint.protocol.certificates import CertificatesConfig


class RefusedError(Exception):
    """nginx refuses the configuration with this certificate; the message says why."""


def install(config: CertificatesConfig, pem: bytes) -> bool:
    """Let nginx use the certificate; return False if it already does. Raises RefusedError or OSError.

    The first certificate also replaces the site's configuration. No request is lost: nginx's old workers finish theirs.
    """
    file, conf, secured = Path(config.file), Path(config.conf), Path(config.secured_conf)
    new = {file: (pem, 0o600)}
    if secured.exists():
        new[conf] = (secured.read_bytes(), 0o644)
    old = {path: path.read_bytes() if path.exists() else None for path in new}
    if old == {file: pem}:
        return False
    for path, (data, mode) in new.items():
        _write(path, data, mode)
    if why := _fault(config):
        for path, before in old.items():
            if before is None:
                path.unlink()
            else:
                _write(path, before, new[path][1])
        raise RefusedError(why)
    secured.unlink(missing_ok=True)
    _reload()
    return True


def _fault(config: CertificatesConfig) -> str | None:
    done = subprocess.run(  # noqa: S603 -- the command of the boot, no shell
        [*config.nginx, "-t", "-q"], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    output = printable(done.stderr.decode(errors="replace").strip().partition("\n")[0])
    return output or f"exit status {done.returncode}" if done.returncode else None


def _reload() -> None:
    """Send HUP to nginx's master, a child of our supervisord. A PID file could name another process by now."""
    for process in processes().values():
        if process.parent == os.getppid():
            with suppress(OSError):  # it has ended
                if Path(f"/proc/{process.pid}/comm").read_bytes() == b"nginx\n":
                    os.kill(process.pid, signal.SIGHUP)


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a file atomically, in a folder that nobody else can write."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(data)
    new.replace(path)
