"""Collecting static files, when there is a reason to, so that no reader ever finds one missing or half."""

import errno
import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.exceptions import SuspiciousOperation
from django.core.files.storage import FileSystemStorage, storages
from django.core.management import CommandError, call_command, get_commands, load_command_class

from entrypoint.app import publication
from entrypoint.app.answer import Changed, Progress
from entrypoint.app.failure import Failure

_MARKER: Final = ".collected-"  # and the fingerprint
_SIBLINGS: Final = "-compressed"
_OLD_MARKER: Final = ".collected.json"  # of versions up to 0.1, which a server other than nginx would serve
_LOCK: Final = ".collected.lock"
_PAUSE: Final = 0.05  # seconds between two looks at it
_STAGING: Final = ".collecting"
_READ_ONLY: Final = (errno.EROFS, errno.EACCES, errno.EPERM)
_ADDRESS: Final = re.compile(r" at 0x[0-9a-f]+")  # of an object in a setting: another in each process

Sources = dict[str, tuple[Any, str]]


def collect(*, always: bool, siblings: bool, patience: float, progress: Progress) -> str:
    """Collect into STATIC_ROOT unless nothing changed since the last time, with `siblings` (.gz, .br) if asked.

    `patience` is how many seconds to wait for another container that collects. Raises Failure where that takes longer,
    and where it cannot write, unless everything is there already.
    """
    root = Path(staticfiles_storage.location if _is_local() else settings.STATIC_ROOT)
    sources = _sources()
    fingerprint = _fingerprint(sources)
    done = f"{len(sources)} static files are up to date"
    if not always and _is_collected(root, fingerprint, siblings=siblings):
        return done
    try:
        with _turn(root, patience, progress):
            if not always and _is_collected(root, fingerprint, siblings=siblings):
                return done  # another container was faster
            _unmark(root)
            _collect(root, siblings=siblings)
            (root / f"{_MARKER}{fingerprint}{_SIBLINGS if siblings else ''}").mkdir()
    except OSError as error:
        read_only = error.errno in _READ_ONLY
        if read_only and not always and _is_complete(root, sources):
            return f"{done}, and {root} cannot be written"
        hint = "; its files are not those of this image: collect at its build, or make it writable" if read_only else ""
        raise Failure(f"cannot write {error.filename or root}: {error.strerror}{hint}", "not allowed") from error
    return Changed(f"{len(sources)} static files collected{', compressed as well' if siblings else ''}")


def _collect(root: Path, *, siblings: bool) -> None:
    staging = root / _STAGING
    shutil.rmtree(staging, ignore_errors=True)  # of a boot that was killed
    storage = _storage_in(staging)
    if storage is None:
        _run(_command())
        return
    try:
        staging.mkdir()
        command = _command()
        command.storage = storage
        _run(command)
        if siblings:
            publication.compress(staging)
        publication.publish(staging, root, last=getattr(storage, "manifest_name", ""))
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _is_local() -> bool:
    return isinstance(staticfiles_storage, FileSystemStorage)


def _storage_in(folder: Path) -> Any:  # noqa: ANN401 -- Django ships no types
    """Return the project's storage, writing into another folder; None where it writes into none, or only its own."""
    if not _is_local():
        return None
    wanted = settings.STORAGES["staticfiles"]
    try:
        return storages.create_storage({**wanted, "OPTIONS": {**wanted.get("OPTIONS", {}), "location": str(folder)}})
    except TypeError:
        return None


def _command() -> Any:  # noqa: ANN401 -- Django ships no types
    """Return the project's `collectstatic`, made to replace each file where that costs no transfer.

    By itself Django leaves a file that is as new as its source: after a rollback, the one from before.
    """
    command: Any = load_command_class(get_commands()["collectstatic"], "collectstatic")

    def replace(_path: str, target: str, _source: object) -> bool:
        if command.storage.exists(target):
            command.storage.delete(target)
        return True

    if _is_local():
        command.delete_file = replace
    return command


def _run(command: Any) -> None:  # noqa: ANN401 -- Django ships no types
    try:
        call_command(command, interactive=False, verbosity=0, skip_checks=True)
    except (CommandError, SuspiciousOperation, ValueError) as error:  # a file that another names is missing
        raise Failure(f"cannot collect static files: {' '.join(str(error).split())}", "failed") from error


@contextmanager
def _turn(root: Path, patience: float, progress: Progress) -> Iterator[None]:
    """Wait until nobody else collects into this folder, which containers may share; a process that ends lets go.

    The file of the lock is taken away in the end, so that no server serves it. Raises Failure.
    """
    root.mkdir(parents=True, exist_ok=True)
    end, told = time.monotonic() + patience, False
    while True:
        with (root / _LOCK).open("a") as lock:
            if _lock(lock.fileno(), root / _LOCK):
                try:
                    yield
                finally:
                    (root / _LOCK).unlink(missing_ok=True)
                return
        if time.monotonic() > end:
            why = f"another container has been collecting into it for {patience:g} s"
            raise Failure(f"cannot collect static files into {root}: {why}", "timed out")
        if not told:
            progress(f"another container collects into {root}")
            told = True
        time.sleep(_PAUSE)


def _lock(descriptor: int, path: Path) -> bool:
    """Return whether the lock is ours, on the file that has this path by then."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def _unmark(root: Path) -> None:
    """Take away the marker: an empty folder, so that it goes wherever STATIC_ROOT goes, and no server can serve it."""
    (root / _OLD_MARKER).unlink(missing_ok=True)
    for marker in root.glob(f"{_MARKER}*"):
        marker.rmdir()


def _is_collected(root: Path, fingerprint: str, *, siblings: bool) -> bool:
    marker = f"{_MARKER}{fingerprint}"
    return (root / f"{marker}{_SIBLINGS}").is_dir() or (not siblings and (root / marker).is_dir())


def _is_complete(root: Path, sources: Sources) -> bool:
    """Return whether Django's own command left here what would be collected."""
    manifest = getattr(staticfiles_storage, "manifest_name", "")
    try:
        return (root / manifest).exists() and all(
            (root / name).read_bytes() == storage.open(path).read() for name, (storage, path) in sources.items()
        )
    except OSError:
        return False


def _sources() -> Sources:
    """Return each file that would be collected, by its name in STATIC_ROOT; of two with one name the first."""
    ignored = [os.path.normpath(pattern) for pattern in apps.get_app_config("staticfiles").ignore_patterns]
    found: Sources = {}
    for finder in get_finders():
        for path, storage in finder.list(ignored):
            prefix = getattr(storage, "prefix", None)
            found.setdefault(f"{prefix}/{path}" if prefix else path, (storage, path))
    return found


def _fingerprint(sources: Sources) -> str:
    """Return a digest of what would be collected, by name, size and time, and of how."""
    how = (settings.STATIC_URL, settings.STORAGES["staticfiles"])
    digest = hashlib.sha256(_ADDRESS.sub("", repr(how)).encode())
    for name, (storage, path) in sources.items():
        # Whole seconds: a container image keeps no finer times.
        stamp = int(storage.get_modified_time(path).timestamp())
        digest.update(repr((name, storage.size(path), stamp)).encode())
    return digest.hexdigest()
