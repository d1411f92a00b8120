"""The places that a boot uses: addresses, folders, run files and log files, and why one cannot be used."""

import errno
import os
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from entrypoint.boot.decisions.folders.artifacts import Directory
from entrypoint.boot.plan.steps import EmptyMetrics
from entrypoint.boot.settings.types.values import Listen
from entrypoint.boot.trust.accounts import MAY_SWITCH
from entrypoint.boot.trust.trust import SYSTEM_PATH, Trust
from entrypoint.errors import EntrypointError, NotAllowed, Unusable

_HINTS: Final = {
    errno.EACCES: "; an ordinary user must choose a {} above 1023",
    errno.EADDRINUSE: "; set {} to another port, such as 8081, or stop that program",
}


def check_address(listen: Listen, setting: str) -> None:
    """Listen on an address for a moment. Raises NotAllowed, which names the setting."""
    ipv6 = listen.host.count(":") > 0
    try:
        with socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if ipv6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((listen.host, listen.port))
            probe.listen()
    except OSError as error:
        hint = _HINTS.get(error.errno or 0, "").format(setting)
        why = "another program listens there" if error.errno == errno.EADDRINUSE else error.strerror
        raise NotAllowed(f"cannot listen on {listen}: {why}{hint}") from error


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


def obstacle(path: PurePosixPath) -> NotAllowed | None:
    """Return the error if something else than a file or a socket exists at the path of one, else None."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 -- the name of stat(2), which follows links
    except OSError:  # usually it does not exist
        return None
    if stat.S_ISREG(mode) or stat.S_ISSOCK(mode):
        return None
    what = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
    return NotAllowed(f"cannot write {path}: it is {what}; remove it, or set ENTRYPOINT_RUN_DIR to another folder")


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


def log_file_errors(files: Mapping[PurePosixPath, str], trust: Trust) -> Iterator[EntrypointError]:
    """Yield why this user cannot write or rotate log files. supervisord runs as the same user."""
    for file, key in files.items():
        # Not by Path's methods, which raise an error if a name is too long.
        if not os.path.isdir(file.parent):  # noqa: PTH112 -- see above
            yield Unusable(f"cannot use {key}: there is no folder {file.parent}")
        elif os.path.exists(file) and not os.path.isfile(file):  # noqa: PTH110, PTH113 -- see above
            yield Unusable(f"cannot use {key}: it is not a regular file")
        elif not os.access(file.parent, os.W_OK | os.X_OK):
            yield NotAllowed(f"cannot use {key}: the folder {file.parent} is not writable")
        elif fault := trust.fault_of_new(file):
            why = "supervisord writes as root and would follow a link there; use a folder that only root can write"
            yield NotAllowed(f"cannot use {key}: {fault}; {why}")
        elif os.path.exists(file) and not os.access(file, os.W_OK):  # noqa: PTH110 -- see above
            yield NotAllowed(f"cannot use {key}: the file is not writable")
