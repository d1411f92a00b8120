"""The places that a boot uses: addresses, run files and log files, and why one cannot be used."""

import errno
import os
import socket
import stat
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

from entrypoint.boot.settings.types.addresses import Listen
from entrypoint.boot.trust.trust import Trust
from entrypoint.errors import EntrypointError, NotAllowed, Unusable

_HINTS: Final = {
    errno.EACCES: "; an ordinary user must choose a {} above 1023",
    errno.EADDRINUSE: "; set {} to another port, such as 8081, or stop that program",
}


def check_address(listen: Listen, setting: str) -> None:
    """Listen on an address for a moment. Raises NotAllowed, which names the setting."""
    ipv6 = ":" in listen.host
    try:
        with socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if ipv6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((listen.host, listen.port))
            probe.listen()
    except OSError as error:  # also socket.gaierror, whose number is none of the kernel's: [fe80::1%eth9]:8080
        hint = _HINTS.get(error.errno or 0, "").format(setting)
        why = "another program listens there" if error.errno == errno.EADDRINUSE else error.strerror
        raise NotAllowed(f"cannot listen on {listen}: {why}{hint}") from error


def obstacle(path: PurePosixPath) -> NotAllowed | None:
    """Return the error if the path of a run file exists and is neither a file nor a socket, else None."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 -- the name of stat(2), which follows links
    except OSError:  # usually it does not exist
        return None
    if stat.S_ISREG(mode) or stat.S_ISSOCK(mode):
        return None
    what = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
    return NotAllowed(f"cannot write {path}: it is {what}; remove it, or set ENTRYPOINT_RUN_DIR to another folder")


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
        elif fault := trust.fault(file, create=True):
            why = "supervisord writes as root and would follow a link there; use a folder that only root can write"
            yield NotAllowed(f"cannot use {key}: {fault}; {why}")
        elif os.path.exists(file) and not os.access(file, os.W_OK):  # noqa: PTH110 -- see above
            yield NotAllowed(f"cannot use {key}: the file is not writable")
