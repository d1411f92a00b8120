"""Writes compressed files beside those of a folder that nginx serves, for its `gzip_static` and `brotli_static`.

It is also a program of its own, `python compression.py FOLDER`, and then imports nothing of entrypoint.
"""

import gzip
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

SUFFIXES: Final = (".gz", ".br")
# Text, and formats that compress as well as text; pictures, sounds and woff fonts are compressed already.
_COMPRESSIBLE: Final = frozenset(
    {".css", ".csv", ".eot", ".htm", ".html", ".ico", ".js", ".json", ".map", ".md", ".mjs", ".otf", ".svg", ".ttf"}
    | {".txt", ".wasm", ".webmanifest", ".xml"}
)
_WORTH: Final = 0.95  # a compressed file is at most so large, compared with its source
_NOT_ALLOWED: Final = 77

Method = Callable[[bytes], bytes]


class Compressed(NamedTuple):
    """The result for one file."""

    before: int  # bytes
    after: Mapping[str, int]  # bytes of its compressed files, by suffix
    written: bool  # whether any of these is new


def compress(folder: Path) -> str:
    """Compress the files of the folder that need it, as many at once as there are CPUs; return a line for the log.

    Raises OSError if a file cannot be read or written.
    """
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 -- most boots compress nothing

    methods = dict(_methods())
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = list(pool.map(partial(_compress_file, methods=methods), _files(folder)))
    parts = [f"files compressed: {sum(each.written for each in found)} of {len(found)}"]
    for suffix in methods:
        sizes = [(each.before, each.after[suffix]) for each in found if suffix in each.after]
        if sizes:
            before, after = map(sum, zip(*sizes, strict=True))
            parts.append(f"{suffix}: {len(sizes)}, {_kilobytes(before)} become {_kilobytes(after)}")
    return "; ".join(parts)


def _kilobytes(size: int) -> str:
    return f"{size / 1000:.1f} kB"


def _methods() -> Iterator[tuple[str, Method]]:
    yield ".gz", partial(gzip.compress, mtime=0)
    with suppress(ImportError):
        import brotli  # noqa: PLC0415 -- optional

        yield ".br", brotli.compress


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files to compress: no hidden ones, which no server serves, and no links, which may lead anywhere."""
    for place, folders, names in os.walk(folder, onerror=_fail):
        # Root must not read and write where another user may put links.
        folders[:] = [name for name in folders if name[0] != "." and _is_safe(Path(place, name))]
        for name in names:  # reading a FIFO would block
            path = Path(place, name)
            if name[0] != "." and path.suffix.lower() in _COMPRESSIBLE and stat.S_ISREG(path.lstat().st_mode):
                yield path


def _fail(error: OSError) -> None:
    raise error


def _is_safe(folder: Path) -> bool:
    """Return whether this user, if it is root, is the only one who can write the folder."""
    found = folder.lstat()
    return os.geteuid() != 0 or (found.st_uid == 0 and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _compress_file(path: Path, methods: Mapping[str, Method]) -> Compressed:
    """Write the compressed files that are small enough to be useful, unless they exist and are as new as the file."""
    times = path.stat()
    data = b""
    after = {}
    written = False
    for suffix, method in methods.items():
        target = path.with_name(path.name + suffix)
        with suppress(FileNotFoundError):
            found = target.lstat()
            if found.st_mtime_ns >= times.st_mtime_ns:
                after[suffix] = found.st_size
                continue
        data = data or path.read_bytes()
        packed = method(data)
        if len(packed) > _WORTH * len(data):
            target.unlink(missing_ok=True)  # it is outdated, and nginx would send it
            continue
        _replace(target, packed, path, times)
        after[suffix] = len(packed)
        written = True
    return Compressed(times.st_size, after, written)


def _replace(target: Path, data: bytes, source: Path, times: os.stat_result) -> None:
    """Write the file as a whole, with the mode and the time of its source: nginx derives its ETag from the time."""
    descriptor, name = tempfile.mkstemp(prefix=".", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        shutil.copymode(source, name)
        os.utime(name, ns=(times.st_atime_ns, times.st_mtime_ns))
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink()
        raise


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{compress(Path(sys.argv[1]))}\n")
    except OSError as error:
        sys.stderr.write(f"cannot write the compressed files: {error.filename}: {error.strerror}\n")
        sys.exit(_NOT_ALLOWED)
