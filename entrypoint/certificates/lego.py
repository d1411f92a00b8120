"""One run of lego, which obtains a certificate, and what it says if it cannot."""

import os
import re
import shutil
import signal
import subprocess
from calendar import timegm
from pathlib import Path
from time import strptime
from typing import Final

from entrypoint import certificate
from entrypoint.certificate import Certificate
from entrypoint.certificate_store import CHALLENGES
from entrypoint.certificates.failure import ObtainError
from entrypoint.log import printable
from entrypoint.protocol.certificates import CertificatesConfig

_TIMEOUT: Final = 300.0  # seconds of a whole run
_ONE_ANSWER: Final = 30  # seconds of one request to the authority
_FOLDER: Final = "lego"
_LINE: Final = re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ", re.MULTILINE)
_RETRY_AFTER: Final = re.compile(r"retry after (\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)", re.IGNORECASE)
_LIMITED: Final = re.compile(r"rateLimited|acme: error: 429|\b429 Too Many")
_LONGEST: Final = 400  # characters of a reason


def obtain(config: CertificatesConfig, secret: str | None) -> tuple[bytes, Certificate]:
    """Return a new certificate with its chain and its key (PEM), and what it says. The working directory is the store.

    `secret`: the key that binds the account to another one. Raises ObtainError.
    """
    if secret:
        from entrypoint.certificates import account  # noqa: PLC0415 -- ssl and urllib take memory as long as this runs

        account.register(config, Path(_FOLDER), secret)
    names = [word for domain in config.domains for word in ("--domains", domain)]
    command = [str(config.lego), "--accept-tos", "--path", _FOLDER, "--server", config.directory]
    command += ["--email", config.email, "--key-type", "ec256", "--http-timeout", str(_ONE_ANSWER)]
    if config.eab_kid:  # lego insists on these, and uses them only to register an account: here it has one
        command += ["--eab", "--kid", config.eab_kid, "--hmac", "none"]
    command += [*names, "--http", "--http.webroot", CHALLENGES, "run"]
    code, said = _run(command)
    if code:
        if "accountDoesNotExist" in said:  # such as at an authority that was set up again: register at the next try
            shutil.rmtree(Path(_FOLDER, "accounts"))
        raise reason(said)
    certificates = Path(_FOLDER, "certificates")
    try:
        pem = b"".join((certificates / f"{config.domains[0]}.{kind}").read_bytes() for kind in ("crt", "key"))
    except OSError as error:
        raise ObtainError(f"lego wrote no {error.filename}") from error
    found = certificate.parsed(pem)
    if found is None or not found.covers(config.domains):
        raise ObtainError("the authority returned a certificate for other names")
    return pem, found


def _run(command: list[str]) -> tuple[int, str]:
    """Return the exit code and the output of lego, which is killed if this process has to end."""
    try:
        process = subprocess.Popen(  # noqa: S603 -- a path that boot found, no shell
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
    except OSError as error:
        raise ObtainError(f"cannot run {command[0]}: {error.strerror}") from error
    try:
        said, _ = process.communicate(timeout=_TIMEOUT)
    except subprocess.TimeoutExpired:
        raise ObtainError(f"the authority did not finish within {_TIMEOUT:g} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return process.returncode, said.decode(errors="replace")


def reason(said: str) -> ObtainError:
    """Return the reason, which is in the last entry of lego's log, on one line."""
    entries = [" ".join(each.split()) for each in _LINE.split(said) if each.strip()]
    why = printable(entries[-1]) if entries else "lego gave no reason"
    why = why.removeprefix("Could not obtain certificates: ").removeprefix("error: ")
    why = why if len(why) <= _LONGEST else f"{why[: _LONGEST - 1]}…"
    if not _LIMITED.search(said):
        return ObtainError(why)
    found = _RETRY_AFTER.search(said)
    return ObtainError(why, float(timegm(strptime(" ".join(found.groups()), "%Y-%m-%d %H:%M:%S"))) if found else 0.0)
