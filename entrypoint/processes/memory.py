"""The memory of one process, as the kernel counts it."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PSS = re.compile(rb"^Pss: +([0-9]+) kB$", re.MULTILINE)
_GET_DUMPABLE, _SET_DUMPABLE = 3, 4  # <linux/prctl.h>


def pss(pid: int) -> int:
    """Return the bytes that a process uses: its own memory, and its part of what it shares; 0 if it has ended.

    Raises PermissionError.
    """
    file = Path(f"/proc/{pid}/smaps_rollup")
    try:
        with _as_owner(file.parent):
            text = file.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = _PSS.search(text)
    return int(found[1]) * 1024 if found else 0  # a process that has just ended has no memory


@contextmanager
def _as_owner(folder: Path) -> Iterator[None]:
    """Access files as the owner of a process's `folder` in /proc.

    Root may read the memory of other users' processes only with CAP_SYS_PTRACE, which Docker does not grant; their
    owner may. The kernel checks the user for access to files, setfsuid(2), when the file is opened (ptrace(2)).
    """
    owner = folder.stat()
    if os.geteuid() or not owner.st_uid:
        yield
        return
    import ctypes  # noqa: PLC0415 - 8 ms, needed only for a limit

    libc = ctypes.CDLL(None)
    dumpable = libc.prctl(_GET_DUMPABLE)
    libc.setfsgid(owner.st_gid)
    libc.setfsuid(owner.st_uid)
    try:
        yield
    finally:
        libc.setfsuid(0)
        libc.setfsgid(0)
        libc.prctl(_SET_DUMPABLE, dumpable)  # the change of user has cleared it, and /proc hid our own memory: prctl(2)
