"""One run of lego, which obtains a certificate, and the reason if it fails."""

import os
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
from calendar import timegm
from contextlib import suppress
from pathlib import Path
from time import strptime
from typing import Final

from entrypoint import certificate
from entrypoint.certificate import Certificate
from entrypoint.certificate_store import CHALLENGES
from entrypoint.certificates.failure import ObtainError
from entrypoint.output.log import printable
from entrypoint.protocol.certificates import CertificatesConfig

_ONE_ANSWER: Final = 30  # seconds of one request to the authority
_FOLDER: Final = "lego"
_LINE: Final = re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ", re.MULTILINE)
_RETRY_AFTER: Final = re.compile(r"retry after (\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)", re.IGNORECASE)
_LIMITED: Final = re.compile(r"rateLimited|acme: error: 429|\b429 Too Many")
_OUT_OF_MEMORY: Final = re.compile(r"^fatal error: .*out of memory", re.MULTILINE)  # of Go
_LONGEST: Final = 400  # characters of a reason
_LONGEST_OUTPUT: Final = 1 << 20  # bytes of lego's log; an authority decides how long it is
_MEMORY: Final = 256 << 20  # bytes that lego may use: it reads an error of any length
_LARGEST: Final = 1 << 17  # bytes of a certificate with its chain, which has about 6,000
_EARLY: Final = 3600.0  # seconds by which the authority's clock may be ahead of ours
_MATCH: Final = "import ssl, sys; ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*sys.argv[1:], password='')"


def obtain(config: CertificatesConfig, secret: str | None) -> tuple[bytes, Certificate]:
    """Return a new certificate with its chain and key in PEM, and its parsed form. The working directory is the store.

    `secret` is the key that binds the account to another one. Raises ObtainError.
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
    code, output = _run(command, config.patience)
    if code:
        if "accountDoesNotExist" in output:  # such as at an authority that was set up again: register at the next try
            shutil.rmtree(Path(_FOLDER, "accounts"))
        raise reason(output)
    return _obtained(config)


def _obtained(config: CertificatesConfig) -> tuple[bytes, Certificate]:
    """Return what lego has written. The authority may have returned anything. Raises ObtainError."""
    chain, key = (Path(_FOLDER, "certificates", f"{config.domains[0]}.{kind}") for kind in ("crt", "key"))
    try:
        size = chain.stat().st_size
        # Nothing but certificates: no text between them, and no key.
        pem = b"".join(certificate.blocks(chain.read_bytes())) if size <= _LARGEST else b""
        pem += key.read_bytes()
    except OSError as error:
        raise ObtainError(f"lego wrote no {error.filename}") from error
    if size > _LARGEST:
        raise ObtainError(f"the authority returned {size} bytes of certificates; the most are {_LARGEST}")
    found = certificate.parsed(pem)
    if found is None or not found.covers(config.domains):
        raise ObtainError("the authority returned a certificate for other names")
    if found.ends <= time.time() or found.begins > time.time() + _EARLY:
        raise ObtainError("the authority returned a certificate that is not valid now")
    if why := _fault(chain, key):
        raise ObtainError(f"the authority returned a certificate that cannot be used: {why}")
    return pem, found


def _fault(chain: Path, key: Path) -> str:
    """Return why OpenSSL refuses this certificate with this key, or an empty text."""
    # In a process of its own: ssl would take 4 MB as long as this runs.
    command = [sys.executable, "-I", "-c", _MATCH, str(chain), str(key)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603 -- no shell
    output = printable(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])
    return output.partition("] ")[2].partition(" (_ssl.c")[0] or output if done.returncode else ""


def _run(command: list[str], patience: float) -> tuple[int, str]:
    """Run lego; return its exit code and its output. Raises ObtainError if it runs or prints too long.

    lego is killed if this process must end.
    """
    end, output = time.monotonic() + patience, b""
    try:
        process = subprocess.Popen(  # noqa: S603 -- a path that boot found, no shell
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
    except OSError as error:
        raise ObtainError(f"cannot run {command[0]}: {error.strerror}") from error
    assert process.stdout is not None  # noqa: S101 -- it is a PIPE
    try:
        resource.prlimit(process.pid, resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
        while select.select([process.stdout], [], [], max(0, end - time.monotonic()))[0]:
            piece = os.read(process.stdout.fileno(), 1 << 16)
            if not piece:
                return process.wait(), output.decode(errors="replace")
            output += piece
            if len(output) > _LONGEST_OUTPUT:
                raise ObtainError(f"the authority returned an error of more than {_LONGEST_OUTPUT} bytes")
        raise ObtainError(f"the authority did not finish within {patience:g} s")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def reason(output: str) -> ObtainError:
    """Return the reason, which is in the last entry of lego's log, on one line."""
    if _OUT_OF_MEMORY.search(output):
        return ObtainError(f"the authority's answer takes lego more than {_MEMORY >> 20} MiB of memory")
    entries = [" ".join(each.split()) for each in _LINE.split(output) if each.strip()]
    why = printable(entries[-1]) if entries else "lego gave no reason"
    why = why.removeprefix("Could not obtain certificates: ").removeprefix("error: ")
    why = why if len(why) <= _LONGEST else f"{why[: _LONGEST - 1]}…"
    if not _LIMITED.search(output):
        return ObtainError(why)
    limited_until = 0.0
    if found := _RETRY_AFTER.search(output):
        with suppress(ValueError):  # digits that are no date
            limited_until = float(timegm(strptime(" ".join(found.groups()), "%Y-%m-%d %H:%M:%S")))
    return ObtainError(why, limited_until)
