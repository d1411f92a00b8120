"""Record when each step of a boot began, for `entrypoint boot` and the metrics."""

import os
import time
from pathlib import Path, PurePosixPath

from entrypoint import started
from entrypoint.boot.effects.disk import run_files
from entrypoint.protocol.boot_record import BootRecord, BootStep
from entrypoint.protocol.codec import to_json


class Timeline:
    """The steps of one boot. All times are in seconds since this process started."""

    def __init__(self) -> None:
        self.began = _start_time()
        """When this process started, in seconds of CLOCK_BOOTTIME."""
        self._steps = [BootStep(0.0, "start Python", "python")]
        self._add(started.AT, "import entrypoint, read the settings and the machine", "import")

    def mark(self, line: str, phase: str) -> None:
        """Record that the step of this line begins now; `phase` is the same for all steps of its kind."""
        self._add(_now(), line, phase)

    def write(self, file: PurePosixPath, migrations: int | None) -> None:
        """Write boot.json, with how many migrations were applied. Call this just before the exec."""
        began = time.time() - (_now() - self.began)
        run_files.write(file, to_json(BootRecord(began, tuple(self._steps), migrations)))

    def _add(self, at: float, line: str, phase: str) -> None:
        self._steps.append(BootStep(round(max(0.0, at - self.began), 4), line, phase))


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _start_time() -> float:
    """Return when this process started, in seconds of CLOCK_BOOTTIME, to a hundredth: proc(5)."""
    fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")
