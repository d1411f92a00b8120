"""Generate Django's SECRET_KEY if it is not set: once, in ENTRYPOINT_DATA_DIR, or for a single run.

Containers that start together on one volume get the same key: the one that holds the lock on the file writes it. A key
is complete only with its newline.
"""

import fcntl
import os
import re
import stat
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from entrypoint.boot.effects.signals import StopRequests
from entrypoint.boot.facts.machine import Machine
from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.settings.sources import textfile
from entrypoint.boot.trust.accounts import Account
from entrypoint.errors import NotAllowed, TimedOut, Unusable

NAMES: Final = ("SECRET_KEY", "DJANGO_SECRET_KEY")
_BYTES: Final = 32  # random bytes: 64 characters; Django's check asks for 50
_LONGEST: Final = 4096
_PAUSE: Final = 0.05  # seconds between two attempts to lock
_IN_DOTENV: Final = re.compile(rf"^\s*(export\s+)?({'|'.join(NAMES)})\s*=\s*\S", re.MULTILINE)


def kept(settings: Settings, machine: Machine, stops: StopRequests) -> Settings:
    """Return the settings with the key of ENTRYPOINT_DATA_DIR, unless a key is set. Generate the key if it is missing.

    Without that folder, development gets a key that is not kept. Raises Unusable or NotAllowed if the key cannot be
    kept, TimedOut if another process keeps the file locked, Stopped when a stop was requested.
    """
    file = settings.secret_key_file
    if file and not _is_set(settings, machine):
        with machine.trust.acting(file.parent, machine.account) as acts:
            owner = machine.account if machine.root and not acts else None
            key = _read_or_generate(Path(file), owner, settings.wait_timeout, stops)
        return _with(settings, key, str(file))
    return _unkept(settings, machine)


def of_running(settings: Settings, machine: Machine, stops: StopRequests, running: Mapping[str, str]) -> Settings:
    """Return the settings as `kept` would; a key that the boot has generated for this run stays that of `running`."""
    if settings.secret_key_file or _is_set(settings, machine) or not running.get(NAMES[0]):
        return kept(settings, machine, stops)
    return _with(settings, running[NAMES[0]], "generated for this run")


def _unkept(settings: Settings, machine: Machine) -> Settings:
    return temporary(settings, machine) if settings.development else settings


def previewed(settings: Settings, machine: Machine) -> Settings:
    """Return the settings as `kept` would, but write nothing: a missing key is generated for this call only."""
    file = settings.secret_key_file
    if file is None or _is_set(settings, machine):
        return _unkept(settings, machine)
    with machine.trust.acting(file.parent, machine.account):
        try:
            key = _read(Path(file))
        except NotAllowed:
            key = ""  # the file belongs to the application's user
        _check_folder(Path(file))
    return _with(settings, key or _generate(), str(file))


def temporary(settings: Settings, machine: Machine) -> Settings:
    """Return the settings with a key for this run only, unless one is set. An image build uses it."""
    return settings if _is_set(settings, machine) else _with(settings, _generate(), "generated for this run")


def _is_set(settings: Settings, machine: Machine) -> bool:
    """Return whether the project has a key: in the environment, or in the .env file that its manage.py reads."""
    if any(settings.environment.get(f"{name}{suffix}") for name in NAMES for suffix in ("", "_FILE")):
        return True
    try:
        file = Path(machine.app_dir, ".env")
        text = machine.trust.read(file, lambda: textfile.read_bytes(file)).decode(errors="replace")
        return bool(_IN_DOTENV.search(text))
    except (OSError, ValueError):
        return False


def _with(settings: Settings, key: str, origin: str) -> Settings:
    return replace(
        settings,
        environment={**settings.environment, **dict.fromkeys(NAMES, key)},
        origins={**settings.origins, NAMES[0]: origin},
        texts={**settings.texts, NAMES[0]: key},
    )


def _generate() -> str:
    return os.urandom(_BYTES).hex()


def _lock(file: Path, descriptor: int, seconds: float, stops: StopRequests) -> None:
    """Lock the file until the descriptor is closed. Raises OSError, TimedOut, Stopped."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                why = f"another process has kept it locked for {seconds:g} s"
                raise TimedOut(f"cannot use {file}: {why}; ENTRYPOINT_WAIT_TIMEOUT sets how long to wait") from None
        stops.check()
        time.sleep(_PAUSE)


def _read_or_generate(file: Path, owner: Account | None, seconds: float, stops: StopRequests) -> str:
    """Return the key in the file; generate it if it is missing. Raises NotAllowed, TimedOut, Unusable, Stopped."""
    if key := _read(file):
        return key
    _check_folder(file)
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as opened:
            _lock(file, descriptor, seconds, stops)
            _check(file, descriptor)
            if key := _complete(opened.read(_LONGEST)):
                return key  # another container wrote it meanwhile
            key = _generate()
            if owner:
                os.fchown(descriptor, owner.uid, owner.gid)
            os.fchmod(descriptor, 0o600)
            opened.seek(0)
            opened.truncate()
            opened.write(f"{key}\n".encode())
            opened.flush()
            os.fsync(descriptor)
            return key
    except OSError as error:
        raise NotAllowed(
            f"cannot write {file}: {error.strerror}; set ENTRYPOINT_DATA_DIR to a writable folder, or set SECRET_KEY"
        ) from error


def _read(file: Path) -> str:
    """Return the key in the file, or an empty string if there is none. Raises NotAllowed."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise NotAllowed(f"cannot read {file}: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as opened:
        _check(file, descriptor)
        return _complete(opened.read(_LONGEST))


def _check_folder(file: Path) -> None:
    if not file.parent.is_dir():
        raise Unusable(f"cannot use ENTRYPOINT_DATA_DIR={file.parent}: there is no such folder; mount a volume there")


def _check(file: Path, descriptor: int) -> None:
    """Refuse links and special files: through a link, root would expose the text of another file. Raises NotAllowed."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        raise NotAllowed(f"cannot use {file}: it is not a regular file, or it has hard links")


def _complete(data: bytes) -> str:
    return data.decode("ascii", errors="replace").strip() if data.endswith(b"\n") else ""
