"""Text files: reading those that somebody else wrote, writing and removing our own.

Only a regular file of a sane size is read: a FIFO would block the boot until somebody writes to it, and a device such
as /dev/zero would fill the memory.
"""

import os
import stat
import tempfile
from pathlib import Path, PurePosixPath
from typing import Final

from entrypoint.boot.settings.values import shown
from entrypoint.boot.trust.trust import NO_SUSPECTS, Trust
from entrypoint.errors import NotAllowed

LARGEST: Final = 1 << 20
"""Bytes."""


def read(path: Path, trust: Trust = NO_SUSPECTS) -> str:
    """Return the text of a file, as it is; one that root does not trust is read as the user who can write it.

    Raises ValueError with why it cannot be read.
    """
    return trust.read(path, lambda: _read(path))


def _read(path: Path) -> str:
    try:
        return read_bytes(path).decode()
    except PermissionError as error:
        raise ValueError(f"{error.strerror} ({_who_may(path)})") from error
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8 text") from error


def read_bytes(path: Path) -> bytes:
    """Return what is in a file. Raises OSError, or ValueError where it is not a regular file or too large."""
    with open(path, "rb", opener=_open_at_once) as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise ValueError("it is not a regular file")
        data = opened.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST >> 20} MiB")
    return data


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def write(file: PurePosixPath, text: str, mode: int = 0o644) -> None:
    """Replace a file of ours as a whole; a link is not followed. Raises NotAllowed."""
    path = Path(file)
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        beside = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
                opened.write(text)
                os.fchmod(opened.fileno(), mode)
            beside.replace(path)
        except BaseException:
            beside.unlink()
            raise
    except OSError as error:
        raise NotAllowed(f"cannot write {path}: {error.strerror}") from error


def remove(file: PurePosixPath) -> None:
    """Remove a file of ours if it is there. Raises NotAllowed."""
    try:
        Path(file).unlink(missing_ok=True)
    except OSError as error:
        raise NotAllowed(f"cannot remove {file}: {error.strerror}") from error


def _who_may(path: Path) -> str:
    """Return who we are, and whose the file is, or the folder that keeps us from it."""
    us = f"as uid {os.geteuid()}"
    for place in (path, *path.parents):
        try:
            found = place.stat()
        except OSError:
            continue
        what = "the file" if place == path else shown(str(place))
        return f"{us}; {what} is {_owner(found)} {found.st_mode & 0o7777:04o}"
    return us


def _owner(found: os.stat_result) -> str:
    import grp  # noqa: PLC0415 -- only an error has to know names
    import pwd  # noqa: PLC0415

    try:
        user = pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        user = str(found.st_uid)
    try:
        group = grp.getgrgid(found.st_gid).gr_name
    except KeyError:
        group = str(found.st_gid)
    return f"{user}:{group}"
