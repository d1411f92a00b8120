"""When the site's certificate expires."""

import contextlib
import os
import stat
from pathlib import Path
from typing import Final

from entrypoint import certificate

LARGEST: Final = 1 << 20
"""Bytes that are read."""


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
                    found = certificate.parsed(opened.read(LARGEST))
                    self._stamp, self._expires = stamp, found.ends if found else None
            return self._expires
        return None
