"""When a certificate expires: its notAfter, from the DER structure of RFC 5280, 4.1.

The module ssl would take 20 ms to import.
"""

import binascii
import contextlib
import os
import re
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

LARGEST: Final = 1 << 20
_FIRST: Final = re.compile(rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END ")
_SEQUENCE, _VERSION = 0x30, 0xA0
_FORMATS: Final = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}  # UTCTime, GeneralizedTime


class Expiry:
    """The end of the validity of the first certificate in a PEM file, read again when the file has changed."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stamp: tuple[int, ...] = ()
        self._expires: float | None = None

    def read(self) -> float | None:
        """Return the seconds since the epoch; None if the file cannot be read."""
        with contextlib.suppress(OSError):
            fd = os.open(self._file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            with os.fdopen(fd, "rb") as opened:
                status = os.fstat(fd)
                stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
                if stamp != self._stamp and stat.S_ISREG(status.st_mode):
                    self._stamp, self._expires = stamp, not_after(opened.read(LARGEST))
            return self._expires
        return None


def not_after(pem: bytes) -> float | None:
    """Return when the first certificate expires, in seconds since the epoch; None if there is no certificate."""
    found = _FIRST.search(pem)
    if not found:
        return None
    try:
        _, certificate, _ = _element(binascii.a2b_base64(found[1]))
        _, inner, _ = _element(certificate)
        kind, _, rest = _element(inner)
        for _ in range(3 if kind == _VERSION else 2):  # the serial number, the signature's algorithm, the issuer
            _, _, rest = _element(rest)
        _, validity, _ = _element(rest)
        _, _, rest = _element(validity)
        kind, text, _ = _element(rest)
        expires = datetime.strptime(text.decode("ascii"), _FORMATS[kind]).replace(tzinfo=UTC)
    except (ValueError, LookupError):
        return None
    return expires.timestamp()


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """Return the tag and the content of the first element, and what follows it. Raises IndexError, ValueError."""
    tag, size, start = data[0], data[1], 2
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(data[2:start])
    if start + size > len(data):
        raise ValueError(size)
    return tag, data[start : start + size], data[start + size :]
