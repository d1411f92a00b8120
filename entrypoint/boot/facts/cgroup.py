"""What the control group grants this container: CPU time and memory, in cgroup v1 and v2 (cgroups(7)).

A group cannot use more than the groups that it lies in, so each reading walks from the own group up to the root of the
mount and the smallest limit counts. Inside a container that mount is the container's own group.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

_UNLIMITED: Final = 1 << 60  # cgroup v1 says "no limit" as the largest multiple of a page in 63 bits
_OCTAL: Final = re.compile(r"\\([0-7]{3})")  # how mountinfo writes a space: proc(5)
_MIB: Final = 1 << 20
_GIB: Final = 1 << 30


@dataclass(frozen=True)
class Limits:
    """What all processes of the container may use together."""

    cpus: float  # 0.5: half of the time of one CPU
    memory: int | None = None  # bytes; None where nothing limits it

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

    `root` is where /proc and the mounts are found. `cpus` counts the CPUs that it may run on: the kernel keeps that
    affinity within the cpuset. What cannot be read limits nothing.
    """
    quotas = [quota for folder in _folders(root, "cpu") if (quota := _quota(folder))]
    memory = [limit for folder in _folders(root, "memory") if (limit := _memory(folder))]
    return Limits(min([*quotas, float(cpus)]), min(memory, default=None))


def _quota(folder: Path) -> float | None:
    """Return the CPUs that the group itself may use; `cpu.max` is v2's file, the others are v1's."""
    quota, _, period = _text(folder / "cpu.max").partition(" ")
    quota = quota or _text(folder / "cpu.cfs_quota_us")
    period = period or _text(folder / "cpu.cfs_period_us")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(quota) and int(period) else None


def _memory(folder: Path) -> int | None:
    """Return the bytes that the group itself may use; v1 tells in memory.stat of groups beyond the mount as well."""
    texts = [_text(folder / name) for name in ("memory.max", "memory.limit_in_bytes")]
    texts += re.findall(r"(?m)^hierarchical_memory_limit (\d+)$", _text(folder / "memory.stat"))
    return min((int(text) for text in texts if text.isdigit() and int(text) < _UNLIMITED), default=None)


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folder of the own group and of each that it lies in, where a hierarchy has the controller."""
    groups = dict(_groups(root))
    for line in _text(root / "proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        mounted, mount_point = map(_unescape, before.split()[3:5])
        kind, _, options = after.split()[:3]
        # In v2 all controllers share the one hierarchy, which has no name.
        wanted = {"cgroup": controller, "cgroup2": ""}.get(kind)
        if wanted is None or wanted not in groups or (wanted and wanted not in options.split(",")):
            continue
        top, group = root / mount_point.lstrip("/"), PurePosixPath(groups[wanted])
        # Where the mount does not show our group, its top is the nearest that can be read.
        below = (
            group.relative_to(mounted) if group.is_relative_to(mounted) and ".." not in group.parts else PurePosixPath()
        )
        folder = top / below
        yield from (parent for parent in (folder, *folder.parents) if parent.is_relative_to(top))


def _groups(root: Path) -> Iterator[tuple[str, str]]:
    """Yield each controller of v1, "" for v2, with the path of the own group in its hierarchy."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path


def _unescape(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)


def _text(path: Path) -> str:
    """Return the text of one of the kernel's files; a file that is not there says nothing."""
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape").strip()
    except OSError:
        return ""
