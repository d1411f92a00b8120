"""Collects static files where their sources have changed, and deploys them atomically."""

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

from entrypoint.app.reporting import AgentError, Progress, count
from entrypoint.app.static import compression, deploy
from entrypoint.app.writable import fault
from entrypoint.protocol.agent import AgentResult, CollectStaticRequest

_MARKER: Final = ".collected-"  # followed by the fingerprint
_PRECOMPRESSED: Final = "-compressed"
_LOCK: Final = ".collected.lock"
_POLL_EVERY: Final = 0.05  # seconds
_STAGING: Final = ".collecting"
_READ_ONLY: Final = (errno.EROFS, errno.EACCES, errno.EPERM)
_ADDRESS: Final = re.compile(r" at 0x[0-9a-f]+")  # of an object in a setting; it differs in each process

Sources = dict[str, tuple[Any, str]]


def collect(request: CollectStaticRequest, progress: Progress) -> AgentResult:
    """Collect into STATIC_ROOT unless no source changed since the last time.

    Raises AgentError if another container collects for longer than the patience, and where STATIC_ROOT is read-only
    and lacks a file.
    """
    always, precompress = request.always, request.precompress
    root, sources = _root(), _sources()
    fingerprint = _fingerprint(sources)
    up_to_date = AgentResult(f"{count(len(sources), 'static file')} up to date")
    if not always and _is_collected(root, fingerprint, precompress=precompress):
        return up_to_date
    try:
        with _locked(root, request.patience, progress):
            if not always and _is_collected(root, fingerprint, precompress=precompress):
                return up_to_date  # another container has collected them
            _unmark(root)
            _collect(root, precompress=precompress)
            (root / f"{_MARKER}{fingerprint}{_PRECOMPRESSED if precompress else ''}").mkdir()
    except OSError as error:
        read_only = error.errno in _READ_ONLY
        if read_only and not always and _is_complete(root, sources):
            return AgentResult(f"{up_to_date.text}, and {root} is read-only")
        hint = "; it lacks files of this image: collect them when you build the image" if read_only else ""
        why = fault(root)
        what = f"cannot use STATIC_ROOT: {why}" if why else f"cannot write {error.filename or root}: {error.strerror}"
        raise AgentError(f"{what}{hint}", "not allowed") from error
    return AgentResult(
        f"{count(len(sources), 'static file')} collected{' and precompressed' if precompress else ''}", changed=True
    )


def obstacle() -> str:
    """Return why static files cannot be collected into STATIC_ROOT; "" if they can, or if they are already there.

    Raises AgentError.
    """
    root = _root()
    why = fault(root)
    sources = _sources() if why else {}
    there = why and (_is_collected(root, _fingerprint(sources), precompress=False) or _is_complete(root, sources))
    return "" if there else why


def _root() -> Path:
    try:
        return Path(staticfiles_storage.location if _is_local() else settings.STATIC_ROOT)
    except OSError as error:  # a storage reads its manifest when it is created
        raise AgentError(f"cannot read {error.filename}: {error.strerror}", "not allowed") from error


def _collect(root: Path, *, precompress: bool) -> None:
    staging = root / _STAGING
    shutil.rmtree(staging, ignore_errors=True)  # left by a killed boot
    storage = _storage_in(staging)
    if storage is None:
        _run(_command())
        return
    try:
        staging.mkdir()
        command = _command()
        command.storage = storage
        _run(command)
        if precompress:
            compression.compress(staging)
        deploy.deploy(staging, root, last=getattr(storage, "manifest_name", ""))
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _is_local() -> bool:
    return isinstance(staticfiles_storage, FileSystemStorage)


def _storage_in(folder: Path) -> Any:
    """Return the project's storage for another folder; None if it has no folder, or a fixed one."""
    if not _is_local():
        return None
    wanted = settings.STORAGES["staticfiles"]
    try:
        return storages.create_storage({**wanted, "OPTIONS": {**wanted.get("OPTIONS", {}), "location": str(folder)}})
    except TypeError:
        return None


def _command() -> Any:
    """Return the project's `collectstatic`, which replaces every file of a local storage.

    Django's own keeps a file that is as new as its source: after a rollback, the wrong one.
    """
    command: Any = load_command_class(get_commands()["collectstatic"], "collectstatic")

    def replace(_path: str, target: str, _source: object) -> bool:
        if command.storage.exists(target):
            command.storage.delete(target)
        return True

    if _is_local():
        command.delete_file = replace
    return command


def _run(command: Any) -> None:
    try:
        call_command(command, interactive=False, verbosity=0, skip_checks=True)
    except (CommandError, SuspiciousOperation, ValueError) as error:  # such as a reference to a missing file
        raise AgentError(f"cannot collect static files: {' '.join(str(error).split())}", "failed") from error


@contextmanager
def _locked(root: Path, patience: float, progress: Progress) -> Iterator[None]:
    """Hold a lock on this folder, which containers may share; the lock ends with its process.

    The lock file is removed in the end, so that no server serves it. Raises AgentError after `patience` seconds.
    """
    root.mkdir(parents=True, exist_ok=True)
    end, reported = time.monotonic() + patience, False
    while True:
        with open(root / _LOCK, "a", opener=_open_at_once) as lock:
            if _acquire(lock.fileno(), root / _LOCK):
                try:
                    yield
                finally:
                    (root / _LOCK).unlink(missing_ok=True)
                return
        if time.monotonic() > end:
            why = f"another container has been collecting into it for {patience:g} s"
            raise AgentError(f"cannot collect static files into {root}: {why}", "timed out")
        if not reported:
            progress(f"another container is collecting into {root}")
            reported = True
        time.sleep(_POLL_EVERY)


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW, 0o666)  # a FIFO would block


def _acquire(descriptor: int, path: Path) -> bool:
    """Lock the file; return whether that succeeded and the file still has this path."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def _unmark(root: Path) -> None:
    """Remove the marker: an empty folder, because that is copied with STATIC_ROOT and no server serves it."""
    for marker in root.glob(f"{_MARKER}*"):
        marker.rmdir()


def _is_collected(root: Path, fingerprint: str, *, precompress: bool) -> bool:
    marker = f"{_MARKER}{fingerprint}"
    return (root / f"{marker}{_PRECOMPRESSED}").is_dir() or (not precompress and (root / marker).is_dir())


def _is_complete(root: Path, sources: Sources) -> bool:
    """Return whether Django's own command has already collected the same files here."""
    manifest = getattr(staticfiles_storage, "manifest_name", "")
    try:
        return (root / manifest).exists() and all(
            (root / name).read_bytes() == storage.open(path).read() for name, (storage, path) in sources.items()
        )
    except OSError:
        return False


def _sources() -> Sources:
    """Return each source by its name in STATIC_ROOT; the first one if two have the same name."""
    ignored = [os.path.normpath(pattern) for pattern in apps.get_app_config("staticfiles").ignore_patterns]
    found: Sources = {}
    for finder in get_finders():
        for path, storage in finder.list(ignored):
            prefix = getattr(storage, "prefix", None)
            found.setdefault(f"{prefix}/{path}" if prefix else path, (storage, path))
    return found


def _fingerprint(sources: Sources) -> str:
    """Return a digest of the sources (name, size, time) and of the settings that affect the collection."""
    affecting = (settings.STATIC_URL, settings.STORAGES["staticfiles"])
    digest = hashlib.sha256(_ADDRESS.sub("", repr(affecting)).encode())
    for name, (storage, path) in sources.items():
        # In whole seconds, as a container image stores times.
        stamp = int(storage.get_modified_time(path).timestamp())
        digest.update(repr((name, storage.size(path), stamp)).encode())
    return digest.hexdigest()
