"""Check that the response cache fits into its file system, and into memory if that is a tmpfs."""

import os
from pathlib import Path
from typing import Final

from entrypoint.boot.plan.check_steps import CheckSpace
from entrypoint.errors import Unusable
from entrypoint.processes import control_group

_MOUNTS: Final = Path("/proc/self/mountinfo")
_IN_MEMORY: Final = ("tmpfs", "ramfs")
_BESIDE: Final = 16 << 20
"""Bytes for request bodies, for supervisord's files, and for old responses: nginx removes them a little late."""


def check(step: CheckSpace) -> None:
    """Raise Unusable if the file system, or the memory that it uses, is too small for the cache."""
    folder = _existing(Path(step.folder))
    found = os.statvfs(folder)
    room = found.f_blocks * found.f_frsize
    in_memory = _type(folder) in _IN_MEMORY
    needed = step.size + _BESIDE
    numbers = f"cannot use NGINX_CACHE={step.text}: with the other files of nginx it needs {_mib(needed)} MiB"
    if 0 < room < needed:
        larger = f", or mount a larger one: --tmpfs {step.folder}:size={_mib(needed)}m" if in_memory else ""
        raise Unusable(f"{numbers}, and the file system of {step.folder} has {_mib(room)} MiB; lower it{larger}")
    if in_memory and step.memory is not None and step.memory < needed:
        why = f"and {step.folder} is in memory, of which the container may use {_mib(step.memory)} MiB"
        raise Unusable(f"{numbers}, {why}; lower it, or raise the memory limit")


def _existing(path: Path) -> Path:
    """Return the path without links, or the first of its parents that exists."""
    real = Path(os.path.realpath(path))
    return next(each for each in (real, *real.parents) if os.path.exists(each))  # noqa: PTH110 -- Path.exists may raise


def _type(folder: Path) -> str:
    """Return the type of the file system; "" if it is unknown."""
    device = os.stat(folder).st_dev  # noqa: PTH116 -- as above
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in control_group.text(_MOUNTS).splitlines():
        mount, _, source = line.partition(" - ")
        if mount.split()[2] == wanted:
            return source.split()[0]
    return ""


def _mib(size: int) -> int:
    return size >> 20
