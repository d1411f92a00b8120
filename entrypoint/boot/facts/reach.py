"""Finds the folder that keeps a user from a file: the kernel says only "Permission denied"."""

import os
import stat
from pathlib import PurePath

from entrypoint.boot.trust.accounts import Account, owner


def obstacle(path: PurePath, account: Account, needed: int = os.X_OK) -> str:
    """Return the first folder that the account may not enter on the way to `path`, with its owner and mode.

    `needed` is the permission that the account needs for the file itself: os.X_OK or os.R_OK. Return "" if it has all.
    """
    if account.uid == 0:
        return ""
    real = PurePath(os.path.realpath(path))
    for place in (*reversed(path.parents), *reversed(real.parents), real):
        try:
            found = os.stat(place)  # noqa: PTH116 -- a PurePath
        except OSError:
            continue
        if not _permits(found, account, needed if place == real else os.X_OK):
            return f"{place} is {owner(found)} {stat.S_IMODE(found.st_mode):04o}"
    return ""


def _permits(found: os.stat_result, account: Account, needed: int) -> bool:
    """Return whether the mode permits it: inode(7)."""
    if found.st_uid == account.uid:
        return bool(found.st_mode >> 6 & needed)
    if found.st_gid in (account.gid, *account.groups):
        return bool(found.st_mode >> 3 & needed)
    return bool(found.st_mode & needed)
