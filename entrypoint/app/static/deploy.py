"""Atomic deploy of static files: replaces each file as a whole, together with its precompressed files."""

import filecmp
import os
import shutil
from contextlib import suppress
from pathlib import Path

from entrypoint.app.static.compression import SUFFIXES


def deploy(staging: Path, root: Path, *, last: str) -> None:
    """Move each file into `root`, over the old one; `last`, the manifest that names the others, at the end.

    Old files stay: pages that were sent before the deploy still reference them.
    """
    names = {str(Path(place, name).relative_to(staging)) for place, _, names in os.walk(staging) for name in names}
    compressed = {name for name in names if name.endswith(SUFFIXES) and name[:-3] in names}
    for name in sorted(names - compressed, key=lambda name: (name == last, name)):
        _make_folder(staging, root, Path(name).parent)
        _replace(staging / name, root / name)
        for suffix in SUFFIXES:
            if name + suffix in compressed:
                (staging / (name + suffix)).replace(root / (name + suffix))


def _replace(new: Path, target: Path) -> None:
    """Replace a file, after its outdated precompressed files, which nginx would serve instead of it."""
    same = target.is_file() and filecmp.cmp(new, target, shallow=False)
    for suffix in SUFFIXES:
        compressed = target.with_name(target.name + suffix)
        with suppress(FileNotFoundError):
            if not same or compressed.stat().st_mtime < target.stat().st_mtime:
                compressed.unlink()
    if not same:  # else its time stays, and so does the ETag that browsers have cached
        new.replace(target)


def _make_folder(staging: Path, root: Path, folder: Path) -> None:
    if not (root / folder).is_dir():
        _make_folder(staging, root, folder.parent)
        with suppress(FileExistsError):
            (root / folder).mkdir()
        shutil.copymode(staging / folder, root / folder)
