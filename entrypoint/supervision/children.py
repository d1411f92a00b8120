"""The stop signal for the processes that a stopping program has started itself, such as its workers."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from entrypoint.processes.children import children
from entrypoint.protocol.supervision import StopChildren


class Children:
    """The direct children of one program, each of which gets one signal."""

    def __init__(self, pid: int, config: StopChildren) -> None:
        """Create this before the program gets its stop signal.

        If `config.late`, the program itself signals the children that have come up by now, so `stop` leaves them out.
        """
        self._pid = pid
        self._signal, self._handles = (signal.Signals[f"SIG{name}"] for name in (config.signal, config.handles))
        self._signalled = set(self._ready()) if config.late else set()

    def stop(self) -> None:
        """Signal each child that has come up and was not signalled yet."""
        for pid in self._ready():
            if pid not in self._signalled:
                self._signalled.add(pid)
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, self._signal)

    def _ready(self) -> Iterator[int]:
        return (pid for pid in children(self._pid) if _handles(pid, self._handles))


def _handles(pid: int, number: int) -> bool:
    """Return whether a process has a handler for a signal. False if it ignores the signal."""
    with suppress(OSError):  # it has ended
        caught = Path(f"/proc/{pid}/status").read_bytes().partition(b"\nSigCgt:")[2].split(maxsplit=1)[0]
        return bool(int(caught, 16) >> (number - 1) & 1)
    return False
