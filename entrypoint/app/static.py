"""Collecting static files, when there is a reason to, so that no reader ever finds one missing or half."""

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
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

MARKER: Final = ".collected.json"
_LOCK: Final = ".collected.lock"
_STAGING: Final = ".collecting"
_READ_ONLY: Final = (errno.EROFS, errno.EACCES, errno.EPERM)
_ADDRESS: Final = re.compile(r" at 0x[0-9a-f]+")  # of an object in a setting: another in each process

Sources = dict[str, tuple[Any, str]]


def collect(*, always: bool, siblings: bool, progress: Progress) -> str:
    """Collect into STATIC_ROOT unless nothing changed since the last time, with `siblings` (.gz, .br) if asked.

    Raises Failure where it cannot write, unless everything is there already.
    """
    root = Path(staticfiles_storage.location if _is_local() else settings.STATIC_ROOT)
    sources = _sources()
    fingerprint = _fingerprint(sources)
    done = f"{len(sources)} static files are up to date"
    if not always and _is_collected(root, fingerprint, siblings=siblings):
        return done
    try:
        with _turn(root, progress):
            if not always and _is_collected(root, fingerprint, siblings=siblings):
                return done  # another container was faster
            _collect(root, siblings=siblings)
            _mark(root, {"sources": fingerprint, "siblings": siblings})
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
def _turn(root: Path, progress: Progress) -> Iterator[None]:
    """Wait until nobody else collects into this folder, which containers may share; a process that ends lets go."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"another container collects into {root}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _mark(root: Path, marker: dict[str, object]) -> None:
    beside = root / f"{MARKER}.{os.getpid()}"
    beside.write_text(json.dumps(marker) + "\n", encoding="ascii")
    beside.replace(root / MARKER)


def _is_collected(root: Path, fingerprint: str, *, siblings: bool) -> bool:
    try:
        marker = json.loads((root / MARKER).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return False
    if not isinstance(marker, dict) or marker.get("sources") != fingerprint:
        return False
    return bool(marker.get("siblings")) or not siblings


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
