"""Record when each step of a boot began, for `entrypoint boot`."""

import os
import time
from pathlib import Path, PurePosixPath

from entrypoint import started
from entrypoint.boot.effects import run_files
from entrypoint.protocol.boot_record import BootRecord, BootStep
from entrypoint.protocol.codec import to_json


class Timeline:
    """The steps of one boot. All times are in seconds since this process started."""

    def __init__(self) -> None:
        self.began = time.clock_gettime(time.CLOCK_BOOTTIME) - _age()
        """When this process started, in seconds of CLOCK_BOOTTIME."""
        self._steps: list[tuple[float, str]] = [
            (0.0, "start Python"),
            (max(0.0, started.AT - self.began), "import entrypoint, read the settings and the machine"),
        ]

    def mark(self, line: str) -> None:
        """Record that the step of this line begins now."""
        self._steps.append((self._now(), line))

    def write(self, file: PurePosixPath) -> None:
        """Write boot.json; call this just before the exec."""
        steps = tuple(BootStep(at=round(at, 4), line=line) for at, line in self._steps)
        run_files.write(file, to_json(BootRecord(began=time.time() - self._now(), steps=steps)))

    def _now(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME) - self.began


def _age() -> float:
    """Return this process's age in seconds, to a hundredth: proc(5)."""
    fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
