"""How often the kernel has killed a process of this container because memory ran out, in cgroup v1 and v2."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from entrypoint.processes import control_group

_KILLS: Final = re.compile(r"(?m)^oom_kill ([0-9]+)$")
_UNLIMITED: Final = 1 << 60  # cgroup v1 writes "no limit" as the largest multiple of a page in 63 bits
_MIB: Final = 1 << 20
# The controller's mount, its name in /proc/self/cgroup, and the files with the kills and the limit: cgroups(7).
_VERSIONS: Final = (
    ("sys/fs/cgroup", "", "memory.events", "memory.max"),
    ("sys/fs/cgroup/memory", "memory", "memory.oom_control", "memory.limit_in_bytes"),
)


class OutOfMemory:
    """Counts the processes of this container that the kernel has killed."""

    def __init__(self, root: Path = Path("/")) -> None:
        """Count from now on. `root` is the folder of /proc and /sys."""
        self._events, self._limit = next(_files(root), (Path(os.devnull), Path(os.devnull)))
        self._seen = self._count()

    @property
    def known(self) -> bool:
        """Whether the kernel's counter can be read in this container."""
        return self._events != Path(os.devnull)

    def killed(self) -> int:
        """Return how many processes have been killed since the last call."""
        before, self._seen = self._seen, self._count()
        return max(0, self._seen - before)

    def __str__(self) -> str:
        text = control_group.text(self._limit)
        limited = text.isdigit() and int(text) < _UNLIMITED
        return f"out of memory, {f'memory limit {int(text) // _MIB} MiB' if limited else 'without a memory limit'}"

    def _count(self) -> int:
        found = _KILLS.search(control_group.text(self._events))
        return int(found[1]) if found else 0


def _files(root: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the files of this process's control group; inside a container, that is the root of the mount."""
    groups = dict(control_group.groups(root))
    for mount, controller, events, limit in _VERSIONS:
        for folder in (root / mount / groups.get(controller, "").lstrip("/"), root / mount):
            if _KILLS.search(control_group.text(folder / events)):
                yield folder / events, folder / limit
