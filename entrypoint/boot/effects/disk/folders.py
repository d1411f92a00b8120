"""Folders that a boot makes and empties, and why one cannot be used."""

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from entrypoint.boot.decisions.folders.artifacts import Directory
from entrypoint.boot.plan.steps import EmptyMetrics
from entrypoint.boot.trust.accounts import MAY_SWITCH
from entrypoint.boot.trust.trust import SYSTEM_PATH
from entrypoint.errors import NotAllowed


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
        raise NotAllowed(f"cannot make {path}: {error.strerror}{hint}") from error


_EMPTY: Final = """
mkdir -p -- "$1" || exit
{ test -w "$1" && cd -- "$1"; } 2>/dev/null || { echo "$1: Permission denied" >&2; exit 1; }
rm -f -- counter_*.db gauge_*.db histogram_*.db summary_*.db
"""  # the files of prometheus_client; others may be there, too


def empty_metrics(step: EmptyMetrics) -> None:
    """Make the folder, and remove the files of an earlier container. Raises NotAllowed.

    The application's user does it: root must not follow links that this user has made.
    """
    account = step.account
    try:
        done = subprocess.run(  # noqa: S603 -- no text of the user is a part of the script
            ["/bin/sh", "-c", _EMPTY, "sh", step.folder],
            cwd=step.directory,
            env={"PATH": SYSTEM_PATH, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=account.groups if account else None,
        )
    except OSError as error:
        raise NotAllowed(f"cannot use {step.variable}={step.folder}: {error.strerror}; {MAY_SWITCH}") from error
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [""])[-1].rpartition(": ")[2] or "it cannot be emptied"
        raise NotAllowed(
            f"cannot use {step.variable}={step.folder}: {why}; choose a folder that {account or 'this user'} may write"
        )


@contextmanager
def temporary_folder(place: PurePosixPath) -> Iterator[PurePosixPath]:
    """Create a folder in `place`, and remove it with its content at the end. Raises NotAllowed."""
    try:
        folder = tempfile.mkdtemp(prefix="entrypoint-", dir=place)
    except OSError as error:
        raise NotAllowed(f"cannot make a folder in {place}: {error.strerror}; set TMPDIR to another folder") from error
    try:
        yield PurePosixPath(folder)
    finally:
        shutil.rmtree(folder)
