"""Writing and removing the files that entrypoint owns."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from entrypoint.errors import NotAllowed


def write(file: PurePosixPath, text: str, mode: int = 0o644) -> None:
    """Write a file atomically; a symbolic link is replaced, not followed. Raises NotAllowed."""
    write_all({file: text}, mode)


def write_all(files: Mapping[PurePosixPath, str], mode: int = 0o644) -> None:
    """Write files as `write` does. None of them changes if one cannot be written. Raises NotAllowed."""
    beside: dict[Path, Path] = {}
    try:
        for file, text in files.items():
            path = Path(file)
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            beside[path] = Path(name)
            with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
                opened.write(text)
                os.fchmod(opened.fileno(), mode)
        for path, temporary in list(beside.items()):
            temporary.replace(path)
            del beside[path]
    except OSError as error:
        raise NotAllowed(f"cannot write {path}: {error.strerror}") from error
    finally:
        for temporary in beside.values():
            temporary.unlink()


def read(file: PurePosixPath) -> str | None:
    """Return the text of a file that entrypoint has written; None if it does not exist. Raises NotAllowed."""
    try:
        return Path(file).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise NotAllowed(f"cannot read {file}: {error}") from error


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
