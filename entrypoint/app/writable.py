"""Explains why the application's user cannot write a path, and what fixes it, in the same words for all paths.

The agent runs as the application's user, so what it may write is what the application may write.
"""

import os
import pwd
from pathlib import Path


def fault(path: Path) -> str:
    """Return why this user can neither write the file or folder `path` nor create it, and what fixes it; else ""."""
    who, there = user(), next(place for place in (path, *path.parents) if os.path.lexists(place))
    folder = os.path.isdir(there)  # noqa: PTH112 -- Path.is_dir raises without permission
    if os.access(there, os.R_OK | os.W_OK | (os.X_OK if folder else 0)) and (folder or there == path):
        return ""
    if there != path:
        return f"there is no folder {path}, and {who} cannot create it; {creation(path)}"
    if _is_read_only(path):
        return f"{path} is on a read-only file system; mount a volume at {path if folder else path.parent}"
    if path == Path.cwd():  # it holds the code, which this user should not own
        return f"{who} cannot write {path}, the application's code; use a separate folder, such as {path / 'data'}"
    chown = f"chown {who} {path}"
    in_image = f"in the Dockerfile: RUN {install(path, who, os.getegid())}, or for a volume: {chown}"
    return f"{who} cannot write {path}; {in_image if folder else chown}"


def creation(folder: Path) -> str:
    """Return how to create a folder that this user can write."""
    return f"create it in the Dockerfile: RUN {install(folder, user(), os.getegid())}, or mount a volume at {folder}"


def install(folder: Path, who: str, gid: int) -> str:
    """Return the command that creates a folder for a user and for group root, which an arbitrary uid belongs to."""
    owner = "" if who.isdigit() and gid == 0 else f" -o {who}"
    return f"install -d{owner} -g root -m 775 {folder}"


def user() -> str:
    """Return the name of the current user, or the number of one without a name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _is_read_only(place: Path) -> bool:
    try:
        return bool(os.statvfs(place).f_flag & os.ST_RDONLY)
    except OSError:  # a broken link, for example
        return False
