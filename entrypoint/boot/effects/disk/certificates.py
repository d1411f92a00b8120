"""Write the certificate file that nginx reads: the kept certificate, or a self-signed one."""

import os
import subprocess
import time
from pathlib import PurePosixPath
from typing import Final

from entrypoint import certificate, certificate_store
from entrypoint.boot.effects.disk import run_files
from entrypoint.boot.plan.file_steps import MakeCertificate
from entrypoint.errors import NotAllowed, NotRunnable, Unusable

_DAYS: Final = 365  # browsers accept no more than 398
_LEAST: Final = 30 * 24 * 3600.0  # seconds that a kept certificate must still be valid
_PRIVATE: Final = 0o600


def take(store: PurePosixPath, file: PurePosixPath) -> None:
    """Copy the kept certificate of an authority. Raises NotAllowed, or Unusable if it is missing or damaged."""
    pem = certificate_store.kept(store, certificate_store.SITE)
    if pem is None:
        raise Unusable(f"cannot read {store / certificate_store.SITE}: it has been removed")
    try:
        text = pem.decode("ascii")
    except UnicodeDecodeError as error:
        why = "it is not a PEM file; remove it, and a new certificate is obtained"
        raise Unusable(f"cannot use {store / certificate_store.SITE}: {why}") from error
    run_files.write(file, text, _PRIVATE)


def make(step: MakeCertificate) -> None:
    """Write a self-signed certificate with its key. Raises NotAllowed, Unusable or NotRunnable."""
    pem = certificate_store.kept(step.store, certificate_store.SELF_SIGNED) if step.store else None
    found = certificate.parsed(pem) if pem else None
    if pem is None or found is None or not found.covers(step.names) or found.ends < time.time() + _LEAST:
        pem = _made(step)
    run_files.write(step.file, pem.decode("ascii"), _PRIVATE)


def keep(file: PurePosixPath, store: PurePosixPath) -> None:
    """Keep the self-signed certificate. Raises NotAllowed."""
    with open(file, "rb") as opened:  # noqa: PTH123 -- a PurePath
        pem = opened.read()
    folder = certificate_store.opened(store, create=True)
    try:
        if certificate_store.read(folder, certificate_store.SELF_SIGNED) != pem:
            certificate_store.write(folder, certificate_store.SELF_SIGNED, pem)
    except OSError as error:
        raise NotAllowed(f"cannot write {store / certificate_store.SELF_SIGNED}: {error.strerror}") from error
    finally:
        os.close(folder)


def _made(step: MakeCertificate) -> bytes:
    names = ",".join(("IP:127.0.0.1", "IP:::1", *(f"DNS:{name}" for name in step.names)))
    command = [str(step.openssl), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", str(_DAYS), "-subj", "/CN=localhost", "-addext", f"subjectAltName={names}"]
    command += ["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "-", "-out", "-"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603 -- no shell
    except OSError as error:
        raise NotRunnable(f"cannot run {step.openssl}: {error.strerror}") from error
    if done.returncode or certificate.parsed(done.stdout) is None:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise Unusable(f"cannot create a certificate: {lines[-1] if lines else 'openssl made none'}")
    return done.stdout
