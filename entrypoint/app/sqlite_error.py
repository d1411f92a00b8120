"""What is wrong with the file of an SQLite database: the path, the user, and the command that fixes it."""

import os
import pwd
from pathlib import Path
from typing import Any


def file_of(connection: Any) -> Path:  # noqa: ANN401 -- Django ships no types
    """Return the absolute path of the database's file."""
    name = str(connection.settings_dict["NAME"]).removeprefix("file:").partition("?")[0]
    return Path(name).absolute()


def reason(connection: Any, text: str) -> str:  # noqa: ANN401 -- as above
    """Return SQLite's message with its cause and what fixes it, or unchanged where the file is not the cause."""
    if connection.is_in_memory_db():
        return text
    file = file_of(connection)
    if "locked" in text:
        return f"{text}: another process writes {file}; stop that process, and keep the file off network file systems"
    if not any(words in text for words in ("unable to open", "readonly", "read-only")):
        return text
    return f"{text}: {fault(file) or file}"


def fault(file: Path) -> str | None:
    """Return why this user cannot write the file, and what fixes it; None if no reason is found.

    SQLite also writes a journal, so the folder must be writable too.
    """
    user, folder = _user(), file.parent
    mount = f"mount a volume at {folder}"
    if not os.path.isdir(folder):  # noqa: PTH112 -- Path.is_dir raises without permission
        return (
            f"there is no folder {folder}; create it in the Dockerfile: RUN install -d -o {user} {folder}, or {mount}"
        )
    if os.path.isdir(file):  # noqa: PTH112 -- as above
        return f"{file} is a folder; NAME must name a file in it"
    for path, needed in ((folder, os.R_OK | os.W_OK | os.X_OK), (file, os.R_OK | os.W_OK)):
        if os.access(path, needed) or not os.path.lexists(path):
            continue
        if os.statvfs(path).f_flag & os.ST_RDONLY:
            return f"{path} is on a read-only file system; {mount}"
        chown = f"chown {user} {path}"
        mend = f"in the Dockerfile: RUN install -d -o {user} {folder}, or for a volume: {chown}"
        return f"{user} cannot write {path}; {mend if path == folder else chown}"
    return None


def _user() -> str:
    """Return the name of the current user, or the number of one without a name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
