"""Atomic deploy of static files: replaces each file as a whole, together with its precompressed files."""

import filecmp
import gzip
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

# Text, and formats that compress as well as text; pictures, sounds and woff fonts are compressed already.
_COMPRESSIBLE: Final = frozenset(
    {".css", ".csv", ".eot", ".htm", ".html", ".ico", ".js", ".json", ".map", ".md", ".mjs", ".otf", ".svg", ".ttf"}
    | {".txt", ".wasm", ".webmanifest", ".xml"}
)
_ENCODINGS: Final = (".gz", ".br")


def precompress(folder: Path) -> None:
    """Write a smaller `.gz` beside each compressible file, and a `.br` where the application has brotli installed."""
    methods: dict[str, Callable[[bytes], bytes]] = {".gz": lambda data: gzip.compress(data, mtime=0)}
    with suppress(ImportError):
        import brotli  # noqa: PLC0415 -- optional

        methods[".br"] = brotli.compress
    for path in _files(folder):
        if path.suffix.lower() in _COMPRESSIBLE:
            _write_compressed(path, methods)


def _write_compressed(path: Path, methods: dict[str, Callable[[bytes], Any]]) -> None:
    data, times = path.read_bytes(), path.stat()
    for suffix, method in methods.items():
        compressed = _compressed(path, suffix)
        if not compressed.exists() and len(packed := method(data)) < len(data):  # the storage may have it
            compressed.write_bytes(packed)
            shutil.copymode(path, compressed)
            os.utime(compressed, ns=(times.st_atime_ns, times.st_mtime_ns))


def deploy(staging: Path, root: Path, *, last: str) -> None:
    """Move each file into `root`, over the old one; `last`, the manifest that names the others, at the end.

    Old files stay: pages that were sent before the deploy still reference them.
    """
    names = {str(path.relative_to(staging)) for path in _files(staging)}
    compressed = {name for name in names if name.endswith(_ENCODINGS) and name[:-3] in names}
    for name in sorted(names - compressed, key=lambda name: (name == last, name)):
        _make_folder(staging, root, Path(name).parent)
        _replace(staging / name, root / name)
        for suffix in _ENCODINGS:
            if name + suffix in compressed:
                (staging / (name + suffix)).replace(root / (name + suffix))


def _replace(new: Path, target: Path) -> None:
    """Replace a file, after its outdated precompressed files, which nginx would serve instead of it."""
    same = target.is_file() and filecmp.cmp(new, target, shallow=False)
    for suffix in _ENCODINGS:
        compressed = _compressed(target, suffix)
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


def _compressed(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _files(folder: Path) -> Iterator[Path]:
    return (Path(place, name) for place, _, names in os.walk(folder) for name in names)
