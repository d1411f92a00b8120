"""The steps that check something before it is used, as values."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar

from entrypoint.boot.decisions.folders.artifacts import File
from entrypoint.boot.settings.types.addresses import Listen
from entrypoint.boot.trust.accounts import Account

_Step = TypeVar("_Step", bound=tuple[Any, ...])
_IN_CHECK: Final[set[type]] = set()


def in_check(step: type[_Step]) -> type[_Step]:
    """Mark a class of steps that `entrypoint check` carries out: they need no database and no free port."""
    _IN_CHECK.add(step)
    return step


def runs_in_check(step: object) -> bool:
    """Return whether `entrypoint check` carries the step out."""
    return type(step) in _IN_CHECK


@in_check
class FindPrograms(NamedTuple):
    """Check that all programs of the plan are installed, before anything is written."""

    programs: Mapping[str, PurePosixPath | None]
    name: str = "programs"

    def __str__(self) -> str:
        return "find " + ", ".join(self.programs)


class CheckPort(NamedTuple):
    """Check that the addresses are free and allowed, before the database is used."""

    addresses: tuple[Listen, ...]
    setting: str = "PORT"
    name: str = "port"

    def __str__(self) -> str:
        return f"check that {' and '.join(map(str, self.addresses))} can be bound"


@in_check
class CheckReadable(NamedTuple):
    """Check that the user's files for nginx can be read. `files` has them by the setting that names each."""

    files: Mapping[str, PurePosixPath]
    name: str = "tls"

    def __str__(self) -> str:
        return f"check that {' and '.join(map(str, self.files.values()))} can be read"


@in_check
class CheckPasswords(NamedTuple):
    """Check the user's file of passwords for nginx."""

    file: PurePosixPath
    account: Account | None  # of nginx's workers; None: the current user
    name: str = "passwords"

    def __str__(self) -> str:
        return f"check the users in {self.file}"


class CheckPages(NamedTuple):
    """Check that the user's error pages are among the static files. The key of each is its status."""

    pages: Mapping[int, PurePosixPath]
    name: str = "pages"

    def __str__(self) -> str:
        return f"find the error pages {', '.join(map(str, self.pages.values()))}"


@in_check
class CheckWritable(NamedTuple):
    """Check that supervisord can write and rotate log files. The value of each is the key that names it."""

    files: Mapping[PurePosixPath, str]
    name: str = "logs"

    def __str__(self) -> str:
        return f"check that {' and '.join(map(str, self.files))} can be written"


class CheckSpace(NamedTuple):
    """Check that the cache of responses fits into the file system of its folder, and into memory if that is a tmpfs."""

    folder: PurePosixPath
    size: int  # bytes
    text: str  # the size as the user wrote it
    memory: int | None  # bytes that the container may use; None: no limit
    name: str = "cache"

    def __str__(self) -> str:
        return f"check that a cache of {self.size >> 20} MiB fits into {self.folder}"


@in_check
class ValidateNginx(NamedTuple):
    """Validate with `nginx -t`."""

    command: tuple[str, ...]
    files: tuple[File, ...]
    environment: Mapping[str, str] = MappingProxyType({})
    http_files: tuple[PurePosixPath, ...] = ()  # the user's files that nginx.conf includes
    server_files: tuple[PurePosixPath, ...] = ()  # those that nginx-app.conf includes
    tls: tuple[PurePosixPath, PurePosixPath] | None = None  # the user's certificate and its key
    name: str = "validate"

    def __str__(self) -> str:
        return f"validate {self.files[0].path} with nginx -t"


class ValidateSupervisord(NamedTuple):
    """Validate with supervisord's own parser."""

    file: File
    name: str = "validate"

    def __str__(self) -> str:
        return f"validate {self.file.path} with supervisord's parser"
