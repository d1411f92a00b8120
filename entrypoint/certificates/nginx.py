"""Give a certificate to the nginx of this container."""

import os
import signal
import subprocess
from pathlib import Path

from entrypoint.output.log import printable
from entrypoint.protocol.certificates import CertificatesConfig


class RefusedError(Exception):
    """nginx refuses the configuration with this certificate; the message says why."""


def install(config: CertificatesConfig, pem: bytes) -> bool:
    """Let nginx use the certificate; return whether it had another one, or none. Raises RefusedError or OSError.

    With the first certificate the site's configuration changes too. No request is lost: nginx's old workers finish
    theirs.
    """
    file = Path(config.file)
    before = file.read_bytes() if file.exists() else None
    opens = config.conf and config.secured_conf and Path(config.secured_conf).exists()
    if before == pem and not opens:
        return False
    _write(file, pem, 0o600)
    conf, secured = Path(config.conf or ""), Path(config.secured_conf or "")
    plain = conf.read_bytes() if opens else b""
    if opens:
        _write(conf, secured.read_bytes(), 0o644)
    if why := _fault(config):
        if opens:
            _write(conf, plain, 0o644)
        if before is None:
            file.unlink()
        else:
            _write(file, before, 0o600)
        raise RefusedError(why)
    if opens:
        secured.unlink()
    _reload(config)
    return True


def _fault(config: CertificatesConfig) -> str | None:
    if not config.nginx:
        return None
    done = subprocess.run(  # noqa: S603 -- the command of the boot, no shell
        [*config.nginx, "-t", "-q"], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    said = printable(done.stderr.decode(errors="replace").strip().partition("\n")[0])
    return said or f"exit status {done.returncode}" if done.returncode else None


def _reload(config: CertificatesConfig) -> None:
    """Send HUP to nginx's master, a child of the same supervisord: another process may have got an old number."""
    if not config.nginx:
        return
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and _is_master(process):
            os.kill(int(process.name), signal.SIGHUP)


def _is_master(process: Path) -> bool:
    try:
        name, _, rest = (process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(") ")
    except OSError:
        return False
    return name.endswith("(nginx") and int(rest.split()[1]) == os.getppid()


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a file atomically, in a folder that nobody else can write."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(data)
    new.replace(path)
