"""Reading text files that users wrote.

Only a regular file of at most 1 MiB is read: a FIFO would block the boot, and a device such as /dev/zero would fill
the memory.
"""

import os
import stat
from pathlib import Path
from typing import Final

from entrypoint.boot.settings.types.values import shown
from entrypoint.boot.trust.accounts import owner
from entrypoint.boot.trust.trust import NO_SUSPECTS, Trust

LARGEST: Final = 1 << 20
"""Bytes."""


def read(path: Path, trust: Trust = NO_SUSPECTS) -> str:
    """Return the text of a file. If root does not trust the file, read it as a user who can write it.

    Raises ValueError with the reason if it cannot be read.
    """
    return trust.read(path, lambda: _read(path))


def _read(path: Path) -> str:
    try:
        return read_bytes(path).decode()
    except PermissionError as error:
        raise ValueError(f"{error.strerror} ({_permissions(path)})") from error
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8 text") from error


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file. Raises OSError, or ValueError if it is not a regular file or is too large."""
    with open(path, "rb", opener=_open_without_blocking) as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise ValueError("it is not a regular file")
        data = opened.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST >> 20} MiB")
    return data


def _open_without_blocking(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _permissions(path: Path) -> str:
    """Return this process's uid, and the owner and mode of the file or of the nearest folder that can be read."""
    uid = f"as uid {os.geteuid()}"
    for place in (path, *path.parents):
        try:
            found = place.stat()
        except OSError:
            continue
        what = "the file" if place == path else shown(str(place))
        return f"{uid}; {what} is {owner(found)} {found.st_mode & 0o7777:04o}"
    return uid
