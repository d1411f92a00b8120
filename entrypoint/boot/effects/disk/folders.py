"""Folders that a boot makes and empties, and why one cannot be used."""

import errno
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path, PurePosixPath
from typing import Final

from entrypoint.boot.decisions.folders.artifacts import Directory
from entrypoint.boot.plan.steps import EmptyMetrics
from entrypoint.boot.trust.trust import acting_as
from entrypoint.errors import NotAllowed

_OF_METRICS: Final = re.compile(r"(counter|gauge|histogram|summary)_.*\.db")
"""The files of prometheus_client; others may be there, too."""


def make_directory(directory: Directory) -> None:
    """Create a folder with its owner and mode, if it does not exist. Raises NotAllowed."""
    path, owner = Path(directory.path), directory.owner
    try:
        path.mkdir(parents=True, exist_ok=True)
        if directory.mode is None:
            return
        found, owners = path.lstat(), (os.geteuid(), owner.uid if owner else -1)
        if directory.inner and stat.S_ISDIR(found.st_mode) and found.st_uid not in owners:
            # An older release gave the folder to another user. It may contain links that root would follow.
            shutil.rmtree(path)
            path.mkdir()
            found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
            raise NotAllowed(
                f"cannot use {path}: it is not a folder of this user; set ENTRYPOINT_RUN_DIR to another folder"
            )
        if stat.S_IMODE(found.st_mode) != directory.mode:
            path.chmod(directory.mode)  # before the chown: root without CAP_FOWNER may not do it after
        if owner:
            os.chown(path, owner.uid, owner.gid)
    except OSError as error:
        hint = "" if directory.mode is None else "; set ENTRYPOINT_RUN_DIR to another folder"
        raise NotAllowed(f"cannot create {path}: {error.strerror}{hint}") from error


def empty_metrics(step: EmptyMetrics) -> None:
    """Make the folder, and remove the files of an earlier container. Raises NotAllowed.

    The application's user does it: root must not follow links that this user has made.
    """
    account, folder = step.account, Path(step.directory, step.folder)
    try:
        with acting_as(account) if account else nullcontext():
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            for path in folder.iterdir():
                if _OF_METRICS.fullmatch(path.name):
                    path.unlink(missing_ok=True)
    except OSError as error:
        raise NotAllowed(
            f"cannot use {step.variable}={step.folder}: {error.strerror}; "
            f"choose a folder that {account or 'this user'} may write"
        ) from error


@contextmanager
def temporary_folder(place: PurePosixPath) -> Iterator[PurePosixPath]:
    """Create a folder in `place`, and remove it with its content at the end. Raises NotAllowed."""
    try:
        folder = tempfile.mkdtemp(prefix="entrypoint-", dir=place)
    except OSError as error:
        raise NotAllowed(f"cannot create a folder in {place}: {error.strerror}; set another TMPDIR") from error
    try:
        yield PurePosixPath(folder)
    finally:
        shutil.rmtree(folder)
