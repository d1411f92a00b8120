"""Explains an error of an SQLite database by its file: the path, the user, and the command that fixes it."""

import os
from pathlib import Path
from typing import Any

from entrypoint.app import writable


def file_of(connection: Any) -> Path:
    """Return the real path of the database's file: SQLite follows links, and writes its journal beside that file."""
    name = str(connection.settings_dict["NAME"]).removeprefix("file:").partition("?")[0]
    return Path(os.path.realpath(name))


def reason(connection: Any, text: str) -> str:
    """Return SQLite's message with its cause and what fixes it, or unchanged where the file is not the cause."""
    if connection.is_in_memory_db():
        return text
    file = file_of(connection)
    if "locked" in text:
        return f"{text}: another process writes {file}; stop that process, and keep the file off network file systems"
    if not any(words in text for words in ("unable to open", "readonly", "read-only")):
        return text
    return f"{text}: {fault(file) or file}"


def fault(file: Path) -> str:
    """Return why this user cannot write the database, and what fixes it; "" if no reason is found.

    SQLite also writes a journal, so the folder must be writable too. SQLite does not create the folder.
    """
    folder = file.parent
    if not os.path.isdir(folder):  # noqa: PTH112 -- Path.is_dir raises without permission
        return f"there is no folder {folder}; {writable.creation(folder)}"
    if os.path.isdir(file):  # noqa: PTH112 -- as above
        return f"{file} is a folder; NAME must name a file in it"
    return writable.fault(folder) or (writable.fault(file) if os.path.lexists(file) else "")
