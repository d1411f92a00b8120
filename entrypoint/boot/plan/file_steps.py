"""The steps that write files and folders, or change who owns them, as values."""

from pathlib import PurePosixPath
from typing import NamedTuple

from entrypoint.boot.decisions.folders.artifacts import Directory, File
from entrypoint.boot.plan.check_steps import in_check
from entrypoint.boot.trust.accounts import Account


@in_check
class MakeDirectories(NamedTuple):
    """Create the folders of the run directory."""

    directories: tuple[Directory, ...]
    files: tuple[PurePosixPath, ...] = ()  # are written there later; none of them may be a folder
    stale: tuple[PurePosixPath, ...] = ()  # to remove: a killed container may have left them
    name: str = "render"

    def __str__(self) -> str:
        return "create " + ", ".join(map(str, self.directories))


class MakeStore(NamedTuple):
    """Make the folder where the certificate is kept, which only this user can change."""

    store: PurePosixPath
    name: str = "tls"

    def __str__(self) -> str:
        return f"create {self.store} for certificates"


@in_check
class TakeCertificate(NamedTuple):
    """Copy the certificate that an earlier boot has obtained to the place where nginx reads it."""

    store: PurePosixPath
    file: PurePosixPath
    name: str = "tls"

    def __str__(self) -> str:
        return f"use the certificate in {self.store}"


@in_check
class MakeCertificate(NamedTuple):
    """Write a self-signed certificate for nginx: the one in `store` if it is still valid, else a new one."""

    openssl: PurePosixPath
    names: tuple[str, ...]
    file: PurePosixPath
    store: PurePosixPath | None
    name: str = "tls"

    def __str__(self) -> str:
        return f"create a self-signed certificate for {', '.join(self.names)}, unless there is one"


class KeepCertificate(NamedTuple):
    """Keep the self-signed certificate for later boots, so that a user accepts it in the browser only once."""

    file: PurePosixPath
    store: PurePosixPath
    name: str = "tls"

    def __str__(self) -> str:
        return f"keep the certificate in {self.store}"


class HandOver(NamedTuple):
    """Give the application's user the folders that it writes, unless they belong to root or to another program."""

    folders: tuple[PurePosixPath, ...]
    account: Account
    others: tuple[int, ...] = ()  # the uids of the other programs
    name: str = "owner"

    def __str__(self) -> str:
        return f"hand over to {self.account} the files of other users in {', '.join(map(str, self.folders))}"


@in_check
class Link(NamedTuple):
    """Make links to the files of the same names in another folder."""

    links: tuple[PurePosixPath, ...]
    folder: PurePosixPath  # of the files
    name: str = "render"

    def __str__(self) -> str:
        return f"link the files of {self.folder} into {self.links[0].parent}, for relative includes"


@in_check
class WriteFiles(NamedTuple):
    """Write the configuration files, each atomically."""

    files: tuple[File, ...]
    name: str = "render"

    def __str__(self) -> str:
        return "write " + ", ".join(str(file.path) for file in self.files)


def copies(files: tuple[File, ...], folder: PurePosixPath) -> list[MakeDirectories | WriteFiles]:
    """Return the steps that write the same files into another folder."""
    root = next(place for place in files[0].path.parents if all(file.path.is_relative_to(place) for file in files))
    copied = tuple(file._replace(path=folder / file.path.relative_to(root)) for file in files)
    folders = sorted({file.path.parent for file in copied})
    return [MakeDirectories(tuple(Directory(path, None) for path in folders)), WriteFiles(copied)]
