"""The control group of this process, in cgroup v1 and v2 (cgroups(7))."""

from collections.abc import Iterator
from pathlib import Path


def groups(root: Path) -> Iterator[tuple[str, str]]:
    """Yield each controller of v1, or "" for v2, with the path of this process's group."""
    for line in text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path


def text(path: Path) -> str:
    """Return the text of a kernel file; empty if it does not exist."""
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape").strip()
    except OSError:
        return ""
