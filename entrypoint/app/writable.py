"""Which paths the application's user cannot write, why, and the command that changes that.

The agent runs as the application's user, so what it may write is what the application may write.
"""

import os
import pwd
from pathlib import Path
from shlex import quote


def fault(what: str, path: Path) -> str:
    """Return why this user can neither write the file or folder `path` nor create it; "" if it can.

    `what` names the path in the message: a setting, or a database.
    """
    there = next(place for place in (path, *path.parents) if os.path.lexists(place))
    verb = "write" if there == path else "create"
    try:
        if os.access(there, os.W_OK) and (there == path or there.is_dir()):
            return ""
        reason = _reason(there)
    except OSError as error:
        reason = error.strerror or str(error)
    return f"cannot {verb} {path} ({what}) as {_name(os.geteuid())}: {reason}; {_remedy(path, there)}"


def sqlite_fault(alias: str, name: str) -> str:
    """Return the same for an SQLite database, whose folder must be writable too: SQLite creates files beside it."""
    if not name or name == ":memory:" or name.startswith("file:"):  # a URI may ask for memory, or for reading only
        return ""
    file = Path(name).absolute()
    return fault(f"the folder of database {alias}", file.parent) or fault(f"database {alias}", file)


def _reason(place: Path) -> str:
    """Return why an existing file or folder cannot be written, or is none where a folder is needed."""
    if _is_read_only(place):
        return f"{place} is on a read-only file system"
    if os.access(place, os.W_OK):
        return f"{place} is not a folder"
    status = place.stat()
    return f"{place} belongs to {_name(status.st_uid)} and has the mode {status.st_mode & 0o7777:o}"


def _remedy(path: Path, there: Path) -> str:
    """Return how to make `path` writable; `there` is its nearest ancestor that exists, or itself."""
    if _is_read_only(there):
        return f"mount a volume at {path if path.is_dir() or there != path else path.parent}"
    if path == Path.cwd():  # which holds the code, so it should stay another user's
        return f"keep it in a folder of its own, such as {path / 'data'}, which this user can write"
    ids, quoted = f"{os.geteuid()}:{os.getegid()}", quote(str(path))
    if there != path:
        return f"run as root: mkdir -p {quoted} && chown {ids} {quoted}"
    return f"run as root: chown {'-R ' if path.is_dir() else ''}{ids} {quoted}"


def _is_read_only(place: Path) -> bool:
    try:
        return bool(os.statvfs(place).f_flag & os.ST_RDONLY)
    except OSError:  # a broken link
        return False


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
