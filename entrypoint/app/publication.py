"""Putting collected files where nginx serves them: each replaced as a whole, beside it what it is when compressed."""

import filecmp
import gzip
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

# What is text, or as loose as text; pictures, sounds and woff fonts are compressed by themselves.
_COMPRESSIBLE: Final = frozenset(
    {".css", ".csv", ".eot", ".htm", ".html", ".ico", ".js", ".json", ".map", ".md", ".mjs", ".otf", ".svg", ".ttf"}
    | {".txt", ".wasm", ".webmanifest", ".xml"}
)
_SIBLINGS: Final = (".gz", ".br")


def compress(folder: Path) -> None:
    """Write a `.gz` beside each file for which that is smaller, and a `.br` where the application has brotli."""
    methods: dict[str, Callable[[bytes], bytes]] = {".gz": lambda data: gzip.compress(data, mtime=0)}
    with suppress(ImportError):
        import brotli  # noqa: PLC0415 -- few have it

        methods[".br"] = brotli.compress
    for path in _files(folder):
        if path.suffix.lower() in _COMPRESSIBLE:
            _write_siblings(path, methods)


def _write_siblings(path: Path, methods: dict[str, Callable[[bytes], Any]]) -> None:
    data, times = path.read_bytes(), path.stat()
    for suffix, method in methods.items():
        sibling = _sibling(path, suffix)
        if not sibling.exists() and len(packed := method(data)) < len(data):  # the project's storage may have made one
            sibling.write_bytes(packed)
            shutil.copymode(path, sibling)
            os.utime(sibling, ns=(times.st_atime_ns, times.st_mtime_ns))


def publish(staging: Path, root: Path, *, last: str) -> None:
    """Move each file into `root`, over the one of before; the one that names the others, `last`, at the end.

    What is there and not among them stays: pages that were sent before still ask for it.
    """
    names = {str(path.relative_to(staging)) for path in _files(staging)}
    beside = {name for name in names if name.endswith(_SIBLINGS) and name[:-3] in names}
    for name in sorted(names - beside, key=lambda name: (name == last, name)):
        _make_folder(staging, root, Path(name).parent)
        _publish(staging / name, root / name)
        for suffix in _SIBLINGS:
            if name + suffix in beside:
                (staging / (name + suffix)).replace(root / (name + suffix))


def _publish(new: Path, target: Path) -> None:
    """Put a file in place; at no time has it a sibling that is older, which nginx would serve in its stead."""
    same = target.is_file() and filecmp.cmp(new, target, shallow=False)
    for suffix in _SIBLINGS:
        sibling = _sibling(target, suffix)
        with suppress(FileNotFoundError):
            if not same or sibling.stat().st_mtime < target.stat().st_mtime:
                sibling.unlink()
    if not same:  # else its time, and so its ETag, stays what browsers know
        new.replace(target)


def _make_folder(staging: Path, root: Path, folder: Path) -> None:
    if not (root / folder).is_dir():
        _make_folder(staging, root, folder.parent)
        with suppress(FileExistsError):
            (root / folder).mkdir()
        shutil.copymode(staging / folder, root / folder)


def _sibling(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _files(folder: Path) -> Iterator[Path]:
    return (Path(place, name) for place, _, names in os.walk(folder) for name in names)
