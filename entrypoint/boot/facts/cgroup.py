"""The CPU and memory limits of this container's control group, in cgroup v1 and v2 (cgroups(7)).

The limits of the parent groups apply too. So the smallest limit counts, from this process's group up to the root of
the mount. Inside a container, that root is the container's own group.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from entrypoint.processes import control_group

_UNLIMITED: Final = 1 << 60  # cgroup v1 writes "no limit" as the largest multiple of a page in 63 bits
_OCTAL: Final = re.compile(r"\\([0-7]{3})")  # mountinfo escapes a space like this: proc(5)
_MIB: Final = 1 << 20
_GIB: Final = 1 << 30


@dataclass(frozen=True)
class Limits:
    """The limits for all processes of the container together."""

    cpus: float  # 0.5 is half of one CPU's time
    memory: int | None = None  # bytes; None if unlimited

    def __str__(self) -> str:
        cpus = f"{self.cpus:.2f}".rstrip("0").rstrip(".")
        found = f"{cpus} {'CPU' if self.cpus <= 1 else 'CPUs'}"
        if self.memory is None:
            return found
        if self.memory < _GIB:
            return f"{found}, {self.memory // _MIB} MiB"
        return f"{found}, {self.memory / _GIB:.1f} GiB".replace(".0 GiB", " GiB")


def read_limits(root: Path, cpus: int) -> Limits:
    """Return the limits of this process.

    `root` is the folder of /proc and the mounts. `cpus` is the number of CPUs that it may run on; the kernel keeps that
    affinity within the cpuset. A file that cannot be read sets no limit.
    """
    quotas = [quota for folder in _folders(root, "cpu") if (quota := _quota(folder))]
    memory = [limit for folder in _folders(root, "memory") if (limit := _memory(folder))]
    return Limits(min([*quotas, float(cpus)]), min(memory, default=None))


def _quota(folder: Path) -> float | None:
    """Return the CPU limit of one group. `cpu.max` is v2's file, the others are v1's."""
    quota, _, period = control_group.text(folder / "cpu.max").partition(" ")
    quota = quota or control_group.text(folder / "cpu.cfs_quota_us")
    period = period or control_group.text(folder / "cpu.cfs_period_us")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(quota) and int(period) else None


def _memory(folder: Path) -> int | None:
    """Return the memory limit of one group in bytes. v1's memory.stat includes groups outside the mount."""
    texts = [control_group.text(folder / name) for name in ("memory.max", "memory.limit_in_bytes")]
    texts += re.findall(r"(?m)^hierarchical_memory_limit (\d+)$", control_group.text(folder / "memory.stat"))
    return min((int(text) for text in texts if text.isdigit() and int(text) < _UNLIMITED), default=None)


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of this process's group and its parents, in each hierarchy with the controller."""
    groups = dict(control_group.groups(root))
    for line in control_group.text(root / "proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        mounted, mount_point = map(_unescape, before.split()[3:5])
        kind, _, options = after.split()[:3]
        # In v2 all controllers share one hierarchy, which has no name.
        wanted = {"cgroup": controller, "cgroup2": ""}.get(kind)
        if wanted is None or wanted not in groups or (wanted and wanted not in options.split(",")):
            continue
        top, group = root / mount_point.lstrip("/"), PurePosixPath(groups[wanted])
        # If the mount does not contain this group, use the root of the mount.
        below = (
            group.relative_to(mounted) if group.is_relative_to(mounted) and ".." not in group.parts else PurePosixPath()
        )
        folder = top / below
        yield from (parent for parent in (folder, *folder.parents) if parent.is_relative_to(top))


def _unescape(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)
