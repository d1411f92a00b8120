"""Writing and removing the files that entrypoint owns."""

import os
import tempfile
from pathlib import Path, PurePosixPath

from entrypoint.errors import NotAllowed


def write(file: PurePosixPath, text: str, mode: int = 0o644) -> None:
    """Write a file atomically; a symbolic link is replaced, not followed. Raises NotAllowed."""
    path = Path(file)
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
                opened.write(text)
                os.fchmod(opened.fileno(), mode)
            temporary.replace(path)
        except BaseException:
            temporary.unlink()
            raise
    except OSError as error:
        raise NotAllowed(f"cannot write {path}: {error.strerror}") from error


def link(file: PurePosixPath, target: PurePosixPath) -> None:
    """Make a symbolic link, in place of another link or a file. Raises NotAllowed."""
    path = Path(file)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.is_symlink() and path.readlink() == Path(target):
            return
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target)
        temporary.replace(path)
    except OSError as error:
        raise NotAllowed(f"cannot link {path} to {target}: {error.strerror}") from error


def remove(file: PurePosixPath) -> None:
    """Remove a file if it exists. Raises NotAllowed."""
    try:
        Path(file).unlink(missing_ok=True)
    except OSError as error:
        raise NotAllowed(f"cannot remove {file}: {error.strerror}") from error
