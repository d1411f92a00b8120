"""The folder where certificates are kept: `tls` in ENTRYPOINT_DATA_DIR.

The application's user may own the data directory, so it can replace the folder. Therefore we open the folder once,
never through a link of another user, and check its owner. All reads and writes go through the descriptor, so they stay
in a folder that only this user can change.
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Final

from entrypoint.errors import NotAllowed

SITE: Final = "site.pem"
"""The certificate that an authority gave, with its chain and its key: one file, so that both always match."""
SELF_SIGNED: Final = "self-signed.pem"
CHALLENGES: Final = "challenge"  # the folder whose files answer the authority; nginx serves it
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WAY: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LINK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS: Final = 40  # as the kernel


def place(data_dir: PurePosixPath) -> PurePosixPath:
    """Return the folder's path."""
    return data_dir / "tls"


def opened(folder: PurePosixPath, *, create: bool = False) -> int:
    """Return a descriptor of the folder. Raises NotAllowed if another user could change its content.

    Without `create`, raises FileNotFoundError if it does not exist.
    """
    try:
        above = _open(folder.parent)
        try:
            if create:
                with suppress(FileExistsError):
                    os.mkdir(folder.name, 0o755, dir_fd=above)
            descriptor = os.open(folder.name, _FOLDER, dir_fd=above)
        finally:
            os.close(above)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not create:
            raise
        raise NotAllowed(f"cannot keep certificates in {folder}: {_why(folder, error)}") from error
    found = os.fstat(descriptor)
    if found.st_uid != os.geteuid() or found.st_mode & _OTHERS_WRITE:
        os.close(descriptor)
        why = f"uid {found.st_uid} owns it" if found.st_uid != os.geteuid() else "other users can write it"
        raise NotAllowed(f"cannot keep certificates in {folder}: {why}; remove the folder, a boot creates it again")
    return descriptor


def _open(folder: PurePosixPath) -> int:
    """Return a descriptor of a folder. Raises OSError, such as NotADirectoryError at a link of another user."""
    left, links = list(folder.parts[:0:-1]), 0
    here = os.open("/", _WAY)
    try:
        while left:
            name = left.pop()
            found = os.open(name, _LINK, dir_fd=here)
            try:
                status = os.fstat(found)
                if stat.S_ISLNK(status.st_mode):
                    links += 1
                    if status.st_uid not in {0, os.geteuid()} or links > _MOST_LINKS:
                        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
                    target = PurePosixPath(os.readlink("", dir_fd=found))
                    left += [part for part in target.parts[::-1] if part != "/"]
                    following = os.open("/" if target.is_absolute() else ".", _WAY, dir_fd=here)
                else:
                    following = os.open(name, _WAY, dir_fd=here)
            finally:
                os.close(found)
            os.close(here)
            here = following
    except OSError:
        os.close(here)
        raise
    return here


def _why(folder: PurePosixPath, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"there is no folder {folder.parent}; mount a volume there"
    if error.errno in {errno.ENOTDIR, errno.EEXIST, errno.ELOOP}:
        return "it is a link or a file, or a folder on the way to it is another user's link; remove that"
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
