"""Write the files of `entrypoint init`: all of them or none."""

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from entrypoint.errors import NotAllowed, Unusable


def write(folder: Path, files: Mapping[str, str], *, force: bool) -> tuple[str, ...]:
    """Write the files that differ; return their names. Without `force` no file is overwritten.

    Raises Unusable if a file with another text exists, NotAllowed if one cannot be written. Then none is written.
    """
    changed = [name for name, text in files.items() if _present(folder / name) != text]
    if not force:
        Unusable.check(
            f"cannot write {name}: it exists and differs; --check shows how, --force replaces it"
            for name in changed
            if (folder / name).exists()
        )
    Unusable.check(
        f"cannot write {name}: {Path(name).parent} is a symbolic link"
        for name in changed
        if (folder / name).parent != folder and (folder / name).parent.is_symlink()
    )
    beside = {name: (folder / name).with_name(f".{Path(name).name}.new") for name in changed}
    try:
        for name, new in beside.items():
            new.parent.mkdir(exist_ok=True)
            new.unlink(missing_ok=True)
            with new.open("x", encoding="utf-8") as opened:  # follows no link that another user has left there
                opened.write(files[name])
        for name, new in beside.items():
            os.replace(new, folder / name)  # noqa: PTH105 -- named like rename(2)
    except OSError as error:
        raise NotAllowed(f"cannot write {error.filename}: {error.strerror}") from error
    finally:
        for new in beside.values():
            new.unlink(missing_ok=True)
    return tuple(changed)


def differences(folder: Path, files: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of a unified diff from the files on disk to `files`."""
    for name, text in files.items():
        old = _present(folder / name)
        if old != text:
            yield from difflib.unified_diff(
                (old or "").splitlines(keepends=True), text.splitlines(keepends=True), name, f"{name} (new)"
            )


def _present(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else None
    except (PermissionError, UnicodeDecodeError) as error:
        raise NotAllowed(f"cannot read {path}: {error}") from error
