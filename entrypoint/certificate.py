"""Reads a certificate: its names, its lifetime, and whether it names an OCSP responder.

A reader of DER (X.690) for the few fields that are needed (RFC 5280): the standard library has none, and starting
openssl would take longer than all else in a boot that has to know.
"""

import binascii
import os
import re
import stat
from calendar import timegm
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import PurePath
from typing import Final, NamedTuple

_PEM: Final = re.compile(rb"-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----(.+?)-----END \1?CERTIFICATE-----", re.DOTALL)
_SEQUENCE, _OID, _UTC_TIME, _VERSION, _EXTENSIONS, _DNS_NAME = 0x30, 0x06, 0x17, 0xA0, 0xA3, 0x82
_ALTERNATIVE_NAMES: Final = b"\x55\x1d\x11"
_AUTHORITY_INFORMATION: Final = b"\x2b\x06\x01\x05\x05\x07\x01\x01"
_OCSP: Final = b"\x2b\x06\x01\x05\x05\x07\x30\x01"
_LONG: Final = 0x80
_LARGEST: Final = 1 << 20  # bytes of a file that are read
_CENTURY: Final = 50  # a year of two digits below this is in the 21st century


class Certificate(NamedTuple):
    """One certificate; the times are in seconds since the epoch."""

    names: tuple[str, ...]
    begins: float
    ends: float
    responder: bool = False

    def covers(self, names: tuple[str, ...]) -> bool:
        """Return whether it is for all of these host names."""
        return set(names) <= set(self.names)


def read(path: PurePath) -> Certificate | None:
    """Return the first certificate of a PEM file, None if there is none that can be read."""
    with suppress(OSError), os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as opened:
        if stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            return parsed(opened.read(_LARGEST))
    return None


def parsed(pem: bytes) -> Certificate | None:
    """Return the first certificate of a PEM text, None if there is none that can be read."""
    found = _PEM.search(pem)
    try:
        return _parse(binascii.a2b_base64(found[2])) if found else None
    except (ValueError, IndexError, StopIteration):  # it is not a certificate
        return None


def expiry(path: PurePath) -> float | None:
    """Return when the certificate of a PEM file expires, in seconds since the epoch; None if it cannot be read."""
    found = read(path)
    return found.ends if found else None


def blocks(pem: bytes) -> Iterator[bytes]:
    """Yield each certificate of a PEM text, without what is between them."""
    for found in _PEM.finditer(pem):
        yield found[0] + b"\n"


def _parse(der: bytes) -> Certificate:
    [(_, whole)] = list(_items(der))[:1]
    fields = list(_items(next(_items(whole))[1]))
    if fields[0][0] == _VERSION:
        del fields[0]
    begins, ends = (_time(*item) for item in _items(fields[3][1]))
    extensions = {}
    for tag, value in fields[6:]:
        if tag == _EXTENSIONS:
            for _, extension in _items(next(_items(value))[1]):
                parts = list(_items(extension))
                extensions[parts[0][1]] = parts[-1][1]
    names = (value.decode("ascii") for tag, value in _of(extensions, _ALTERNATIVE_NAMES) if tag == _DNS_NAME)
    information = (next(_items(value), (0, b""))[1] for _, value in _of(extensions, _AUTHORITY_INFORMATION))
    return Certificate(tuple(names), begins, ends, _OCSP in information)


def _of(extensions: Mapping[bytes, bytes], kind: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield what an extension lists; others may have any content."""
    return _items(next(_items(extensions[kind]))[1]) if kind in extensions else iter(())


def _items(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the tag and the content of each value."""
    at = 0
    while at < len(der):
        tag, length = der[at], der[at + 1]
        at += 2
        if length & _LONG:
            size = length & ~_LONG
            length = int.from_bytes(der[at : at + size], "big")
            at += size
        if at + length > len(der):
            raise ValueError("it is cut off")
        yield tag, der[at : at + length]
        at += length


def _time(tag: int, value: bytes) -> float:
    digits = value.decode("ascii").removesuffix("Z")
    if tag == _UTC_TIME:
        digits = f"{'20' if int(digits[:2]) < _CENTURY else '19'}{digits}"
    year, rest = int(digits[:4]), [int(digits[at : at + 2]) for at in range(4, 14, 2)]
    return timegm((year, *rest))
