"""Give the application's user the folders that it writes, except what belongs to root or to another program.

The application chooses some of these folders, so they may be any folders. Therefore root gives away nothing of its own,
except an empty volume; follows no symbolic link, neither on the way to a folder nor in it; and leaves files with hard
links. Each change is made to an open descriptor, so that nobody can exchange the file before it.

A folder changes its owner after its content. So a folder that belongs to the user already is complete.
"""

import os
import shlex
import stat
from collections.abc import Collection
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from entrypoint.boot.trust.accounts import Account

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_DEEPEST: Final = 64  # folders in folders: each level holds a descriptor
_ROOT: Final = 0


class _Place(NamedTuple):
    """An open folder: the one that was asked for, or the last one that exists on the way to it."""

    descriptor: int
    path: PurePosixPath
    mounted: bool  # whether it lies on another file system than the folder that it is in


def hand_over(path: PurePosixPath, account: Account, others: Collection[int] = ()) -> str:
    """Give `account` the folder, or the last one that exists on the way to it, but no files of the users `others`.

    Return what was done, or why nothing was; empty if the folder belongs to `account` already.
    """
    try:
        place = _open(path)
    except NotADirectoryError:
        return "not handed over: its path contains a symbolic link or a file"
    except OSError as error:
        return f"not handed over: {error.strerror}"
    try:
        return _hand_over(place, account, others)
    except OSError as error:
        return f"not handed over: {error.strerror}; {_command(place, account)}"
    finally:
        os.close(place.descriptor)


def _hand_over(place: _Place, account: Account, others: Collection[int]) -> str:
    found = os.fstat(place.descriptor)
    if found.st_uid == account.uid:
        return ""
    if found.st_uid in others:
        return f"not handed over: {place.path} belongs to uid {found.st_uid}, which runs another program"
    walk = _Walk(account, others)
    shared = found.st_mode & stat.S_ISVTX  # such as /tmp: its owner may remove the files of others there
    if found.st_uid == _ROOT and (shared or not place.mounted or not walk.is_empty(place.descriptor)):
        return f"not handed over: {place.path} belongs to root and is not an empty volume; {_command(place, account)}"
    walk.content(place.descriptor, _DEEPEST)
    walk.give(place.descriptor)
    left = f"; not handed over: {walk.left} (of root, of another program, or with hard links)" if walk.left else ""
    return f"handed over; files and folders in it: {walk.given - 1}{left}"


def _command(place: _Place, account: Account) -> str:
    return f"chown -R {account.uid}:{account.gid} {shlex.quote(str(place.path))}"


def _open(path: PurePosixPath) -> _Place:
    """Open each folder on the way, beginning with /. Raises NotADirectoryError at a symbolic link or a file."""
    descriptor, here, mounted = os.open("/", _FOLDER), PurePosixPath("/"), False
    for name in path.parts[1:]:
        try:
            following = os.open(name, _FOLDER, dir_fd=descriptor)
        except FileNotFoundError:
            break
        except OSError:
            os.close(descriptor)
            raise
        mounted = os.fstat(following).st_dev != os.fstat(descriptor).st_dev
        os.close(descriptor)
        descriptor, here = following, here / name
    return _Place(descriptor, here, mounted)


class _Walk:
    """Gives the user what is in a folder, and counts the files that it gave and those that it left."""

    def __init__(self, account: Account, others: Collection[int]) -> None:
        self.given = self.left = 0
        self._account = account
        self._kept = {*others, _ROOT}

    @staticmethod
    def is_empty(folder: int) -> bool:
        """Return whether an open folder has no entry."""
        with os.scandir(folder) as entries:
            return next(entries, None) is None

    def give(self, descriptor: int) -> None:
        """Change the owner of an open file or folder. Raises OSError."""
        os.fchown(descriptor, self._account.uid, self._account.gid)
        self.given += 1

    def content(self, folder: int, depth: int) -> None:
        """Give the user everything in an open folder. Raises OSError."""
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
        for name in names:
            try:
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                continue  # it was removed meanwhile
            if found.st_uid == self._account.uid or stat.S_ISLNK(found.st_mode):
                continue
            if found.st_uid in self._kept or not (stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode)):
                self.left += 1
                continue
            try:
                descriptor = os.open(name, _FOLDER if stat.S_ISDIR(found.st_mode) else _FILE, dir_fd=folder)
            except OSError:
                self.left += 1
                continue
            try:
                self._opened(descriptor, depth)
            finally:
                os.close(descriptor)

    def _opened(self, descriptor: int, depth: int) -> None:
        """Give the user an open file or folder, if that is still allowed: it may have been replaced meanwhile."""
        found = os.fstat(descriptor)
        folder = stat.S_ISDIR(found.st_mode)
        if found.st_uid in self._kept or not (depth if folder else stat.S_ISREG(found.st_mode) and found.st_nlink == 1):
            self.left += 1
            return
        if folder:
            self.content(descriptor, depth - 1)
        self.give(descriptor)
