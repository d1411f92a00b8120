"""The folder where certificates are kept: `tls` in ENTRYPOINT_DATA_DIR.

The application's user may own the data directory, so it can move the folder away and put another in its place. The
folder is therefore opened once, never through a link, and its owner is checked: what is read and written through the
descriptor lies in a folder that only this user can change.
"""

import errno
import os
import stat
from pathlib import Path, PurePosixPath
from typing import Final

from entrypoint.errors import NotAllowed

SITE: Final = "site.pem"
"""The certificate that an authority gave, with its chain and its key: one file, so that both always match."""
SELF_SIGNED: Final = "self-signed.pem"
CHALLENGES: Final = "challenge"
"""The folder whose files answer the authority; nginx serves it."""
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def place(data_dir: PurePosixPath) -> PurePosixPath:
    """Return the folder's path."""
    return data_dir / "tls"


def opened(folder: PurePosixPath, *, create: bool = False) -> int:
    """Return a descriptor of the folder. Raises NotAllowed if another user could change what is in it.

    Raises FileNotFoundError if it does not exist and shall not be created.
    """
    try:
        if create:
            Path(folder).mkdir(mode=0o755, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not create:
            raise
        raise NotAllowed(f"cannot keep certificates in {folder}: {_why(folder, error)}") from error
    found = os.fstat(descriptor)
    if found.st_uid != os.geteuid() or found.st_mode & _OTHERS_WRITE:
        os.close(descriptor)
        why = f"uid {found.st_uid} owns it" if found.st_uid != os.geteuid() else "other users can write it"
        raise NotAllowed(f"cannot keep certificates in {folder}: {why}; remove the folder, it is made again")
    return descriptor


def _why(folder: PurePosixPath, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"there is no folder {folder.parent}; mount a volume there"
    if error.errno in {errno.ENOTDIR, errno.EEXIST, errno.ELOOP}:
        return "it is a link or a file; remove it"
    return str(error.strerror)


def read(folder: int, name: str) -> bytes | None:
    """Return what a file of the folder contains, None if there is no such file."""
    try:
        with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder), "rb") as file:
            return file.read()
    except OSError:
        return None


def write(folder: int, name: str, data: bytes) -> None:
    """Write a private file atomically. Raises OSError."""
    new = f".{name}.{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(new, flags, 0o600, dir_fd=folder), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, name, src_dir_fd=folder, dst_dir_fd=folder)


def kept(folder: PurePosixPath, name: str) -> bytes | None:
    """Return what a file of the folder contains, None if there is none. Raises NotAllowed."""
    try:
        descriptor = opened(folder)
    except FileNotFoundError:
        return None
    try:
        return read(descriptor, name)
    finally:
        os.close(descriptor)
