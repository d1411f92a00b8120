"""Replace each path that this user can replace by a link to a file, or folder, that root alone can write.

Prints as JSON what was replaced: each path, and where in /victims its link leads; root has made those before.
"""

import json
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

SKIPPED = {Path(place) for place in ("/victims", "/trace", "/proc", "/sys", "/dev")}


def folders(top: Path) -> Iterator[Path]:
    """Yield every folder from `top` on."""
    for place, inner, _ in os.walk(top):
        inner[:] = [name for name in inner if Path(place, name) not in SKIPPED]
        yield Path(place)


def replaceable(folder: Path) -> Iterator[Path]:
    """Yield what this user may replace in a folder: everything, or its own files if the folder is sticky."""
    try:
        found = folder.stat()
        if os.access(folder, os.W_OK | os.X_OK):
            mine = found.st_uid == os.getuid() or not found.st_mode & stat.S_ISVTX
            yield from (path for path in folder.iterdir() if mine or path.lstat().st_uid == os.getuid())
    except OSError:  # it may not be looked into
        return


def main(kind: str, spared: list[str]) -> None:
    """Replace files and empty folders, or the other folders, but none that matches a pattern."""
    replaced: dict[str, str] = {}
    for folder in sorted({*folders(Path("/")), *folders(Path("/dev/shm"))}, key=lambda path: -len(path.parts)):
        for path in list(replaceable(folder)):
            is_folder = path.is_dir() and not path.is_symlink()
            is_leaf = not is_folder or not any(path.iterdir())
            if is_leaf != (kind == "leaves") or any(fnmatch(str(path), pattern) for pattern in spared):
                continue
            target = f"/victims/{len(replaced):04}-{'folder' if is_folder else 'file'}"
            if is_folder:
                shutil.rmtree(path)
            else:
                path.unlink()
            path.symlink_to(target)
            replaced[str(path)] = target
    json.dump(replaced, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2].split())
