"""Django's SECRET_KEY where nobody has set one: made once and kept on a volume, or for this one run alone.

Two containers that start at once on one volume end with one key: whoever holds the lock on the file writes it, and a
key is whole only with its newline.
"""

import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from entrypoint.boot.effects.signals import StopRequests
from entrypoint.boot.facts.machine import Machine
from entrypoint.boot.settings import textfile
from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.trust.accounts import Account
from entrypoint.boot.trust.trust import acting_as
from entrypoint.errors import NotAllowed, TimedOut, Unusable

NAMES: Final = ("SECRET_KEY", "DJANGO_SECRET_KEY")
_BYTES: Final = 32  # of chance: 64 characters, where Django's check asks for 50
_LONGEST: Final = 4096
_PAUSE: Final = 0.05  # seconds between two looks at a lock
_IN_DOTENV: Final = re.compile(rf"^\s*(export\s+)?({'|'.join(NAMES)})\s*=\s*\S", re.MULTILINE)


def kept(settings: Settings, machine: Machine, stops: StopRequests) -> Settings:
    """Return the settings with the key of ENTRYPOINT_DATA_DIR, made if it is not there, unless a key is set.

    Without that folder development gets a key that nobody keeps. Raises Unusable or NotAllowed where it cannot be kept,
    TimedOut where another process keeps the file locked, Stopped when a stop was asked for meanwhile.
    """
    file = settings.secret_key_file
    if file and not _is_set(settings, machine):
        with _acting(machine, file) as owner:
            return _with(settings, _keep(Path(file), owner, Turn(settings.wait_timeout, stops)), str(file))
    return _unkept(settings, machine)


def _unkept(settings: Settings, machine: Machine) -> Settings:
    return passing(settings, machine) if settings.development else settings


def previewed(settings: Settings, machine: Machine) -> Settings:
    """Return the settings as `kept` would, and write nothing: a key that is not there yet is one for now."""
    file = settings.secret_key_file
    if file is None or _is_set(settings, machine):
        return _unkept(settings, machine)
    with _acting(machine, file):
        try:
            key = _read(Path(file))
        except NotAllowed:
            key = ""  # it is the application's user's, whom only the boot itself becomes
        _check_folder(Path(file))
    return _with(settings, key or _make(), str(file))


@contextmanager
def _acting(machine: Machine, file: PurePosixPath) -> Iterator[Account | None]:
    """Access the folder as the application's user where that user can write it; give who is to own a new file."""
    if not machine.root:
        yield None
    elif machine.trust.fault(file.parent):
        with acting_as(machine.account):
            yield None
    else:
        yield machine.account


def passing(settings: Settings, machine: Machine) -> Settings:
    """Return the settings with a key for this run alone, unless one is set: an image's build keeps none."""
    return settings if _is_set(settings, machine) else _with(settings, _make(), "made for this run alone")


def _is_set(settings: Settings, machine: Machine) -> bool:
    """Return whether the project finds a key: in the environment, or in the .env that its manage.py reads."""
    if any(settings.environment.get(f"{name}{suffix}") for name in NAMES for suffix in ("", "_FILE")):
        return True
    try:
        return bool(_IN_DOTENV.search(textfile.read_bytes(Path(machine.app_dir, ".env")).decode(errors="replace")))
    except (OSError, ValueError):
        return False


def _with(settings: Settings, key: str, origin: str) -> Settings:
    return replace(
        settings,
        environment={**settings.environment, **dict.fromkeys(NAMES, key)},
        origins={**settings.origins, NAMES[0]: origin},
        texts={**settings.texts, NAMES[0]: key},
    )


def _make() -> str:
    return os.urandom(_BYTES).hex()


class Turn(NamedTuple):
    """How long to wait until no other process holds the lock, and what ends the wait."""

    seconds: float
    stops: StopRequests

    def take(self, file: Path, descriptor: int) -> None:
        """Wait for the lock, which ends with the descriptor. Raises OSError, TimedOut, Stopped."""
        deadline = time.monotonic() + self.seconds
        while True:
            try:
                return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    why = f"another process has kept it locked for {self.seconds:g} s"
                    raise TimedOut(f"cannot use {file}: {why}; ENTRYPOINT_WAIT_TIMEOUT is how long to wait") from None
            self.stops.check()
            time.sleep(_PAUSE)


def _keep(file: Path, owner: Account | None, turn: Turn) -> str:
    """Return the key in the file, made if it is not there."""
    if key := _read(file):
        return key
    _check_folder(file)
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as opened:
            turn.take(file, descriptor)
            _check(file, descriptor)
            if key := _whole(opened.read(_LONGEST)):
                return key  # another container was faster
            key = _make()
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
            f"cannot write {file}: {error.strerror}; ENTRYPOINT_DATA_DIR names a folder that can be written, "
            "or SECRET_KEY the key"
        ) from error


def _read(file: Path) -> str:
    """Return the key in the file, an empty text where there is none. Raises NotAllowed."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise NotAllowed(f"cannot read {file}: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as opened:
        _check(file, descriptor)
        return _whole(opened.read(_LONGEST))


def _check_folder(file: Path) -> None:
    if not file.parent.is_dir():
        raise Unusable(f"cannot use ENTRYPOINT_DATA_DIR={file.parent}: there is no such folder")


def _check(file: Path, descriptor: int) -> None:
    """Refuse what is no plain file of its own: root would hand another file's text to whoever put a link there."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        raise NotAllowed(f"cannot use {file}: it is no plain file")


def _whole(data: bytes) -> str:
    return data.decode("ascii", errors="replace").strip() if data.endswith(b"\n") else ""
