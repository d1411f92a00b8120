"""Collecting static files, when there is a reason to."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command, get_commands, load_command_class

from entrypoint.app.answer import Changed, Progress
from entrypoint.app.failure import Failure

MARKER: Final = ".collected.json"


def collect(*, always: bool, progress: Progress) -> str:  # noqa: ARG001 -- every command is called alike
    """Collect into STATIC_ROOT unless nothing changed since the last time. Raises Failure where it cannot write."""
    root = Path(settings.STATIC_ROOT)
    fingerprint, count = _fingerprint()
    if not always and _marked(root) == fingerprint:
        return f"{count} static files are up to date"
    try:
        root.mkdir(parents=True, exist_ok=True)
        call_command(_command(), interactive=False, verbosity=0, skip_checks=True)
        beside = root / f"{MARKER}.{os.getpid()}"
        beside.write_text(json.dumps({"sources": fingerprint}) + "\n", encoding="ascii")
        beside.replace(root / MARKER)
    except OSError as error:
        raise Failure(f"cannot write {error.filename or root}: {error.strerror}", "not allowed") from error
    return Changed(f"{count} static files collected")


def _command() -> Any:  # noqa: ANN401 -- Django ships no types
    """Return the project's `collectstatic`, made to replace each file.

    By itself Django leaves a file that is as new as its source: after a rollback, the one from before.
    """
    command: Any = load_command_class(get_commands()["collectstatic"], "collectstatic")

    def replace(_path: str, target: str, _source: object) -> bool:
        if command.storage.exists(target):
            command.storage.delete(target)
        return True

    command.delete_file = replace
    return command


def _marked(root: Path) -> str | None:
    try:
        marker = json.loads((root / MARKER).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return marker.get("sources") if isinstance(marker, dict) else None


def _fingerprint() -> tuple[str, int]:
    """Return a digest of what would be collected, by name, size and time, and of how; and the number of files."""
    digest = hashlib.sha256(repr((settings.STATIC_URL, settings.STORAGES["staticfiles"])).encode())
    count = 0
    for finder in get_finders():
        for name, storage in finder.list([]):
            # Whole seconds: a container image keeps no finer times.
            stamp = int(storage.get_modified_time(name).timestamp())
            digest.update(repr((getattr(storage, "prefix", None), name, storage.size(name), stamp)).encode())
            count += 1
    return digest.hexdigest(), count
