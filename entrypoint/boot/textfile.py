"""Reading a text file that somebody else wrote."""

import os
from pathlib import Path

from entrypoint.boot.trust import NO_SUSPECTS, Trust
from entrypoint.boot.values import shown


def read(path: Path, trust: Trust = NO_SUSPECTS) -> str:
    """Return the text of a file, as it is; one that root does not trust is read as the user who can write it.

    Raises ValueError with why it cannot be read.
    """
    return trust.read(path, lambda: _read(path))


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except PermissionError as error:
        raise ValueError(f"{error.strerror} ({_who_may(path)})") from error
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8 text") from error


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
