"""Whether the container is ready, and the files that show it."""

import contextlib
import json
import os
import sched
import time
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path

from entrypoint.protocol import filenames
from entrypoint.supervision.tasks import Timer

READY = '{"phase": "ready"}\n'
AGAIN = 1.0
"""Seconds until a failed change of the file is tried again."""


class Phase(StrEnum):
    """Why a program is not ready. If several are not, the first phase in this order is shown."""

    FAILED = "failed"
    """It failed permanently."""
    UNRESPONSIVE = "unresponsive"
    STOPPED = "stopped"
    """A client has stopped it."""
    RESTARTING = "restarting"
    STARTING = "starting application"


class Readiness:
    """The programs that are ready, and a file that exists exactly while all the essential ones are."""

    def __init__(
        self,
        essential: Iterable[str],
        file: Path,
        became_ready: Callable[[str], None],
        timers: sched.scheduler,
        log: Callable[[str], None],
    ) -> None:
        """Remove the files that a killed container left.

        Whenever the container becomes ready, call `became_ready` with how long that took. Call `log` when a file cannot
        be changed, because the disk is full for example, and when it can again.
        """
        self._since = _now()
        self._again = False
        self._essential = frozenset(essential)
        self._ready: set[str] = set()
        self._file = file
        self._became_ready = became_ready
        self._open = False
        self._ended = False
        self._written = False
        self._phases: dict[str, Phase] = {}
        self._reasons: dict[str, str] = {}
        self._reason = file.with_name(filenames.UNREADY.name)  # nginx serves it as /-/ready
        self._shown = ""
        self._log = log
        self._failing = False
        self._retry = Timer(timers, self._update)
        self._first = file.with_name(filenames.FIRST_READY.name)
        # Nothing starts the program again, so nginx shows an error and not the page that reloads.
        self._down = file.with_name(filenames.DOWN.name)
        for left in (file, self._first, self._reason, self._down):
            left.unlink(missing_ok=True)

    @property
    def ready(self) -> bool:
        """Whether the container is ready."""
        return self._written

    def require(self, essential: Iterable[str]) -> None:
        """Let the container be ready when these programs are."""
        self._essential = frozenset(essential)
        self._update()

    def begin(self, began: float | None = None) -> None:
        """Report readiness from now on: supervisord runs. The boot began at `began`, in seconds of CLOCK_BOOTTIME."""
        self._open = True
        self._since = began or self._since
        self._update()

    def end(self) -> None:
        """Report no readiness from now on: a stop has begun."""
        self._open = False
        self._ended = True
        self._update()

    def add(self, name: str) -> None:
        """Record that the program `name` is ready."""
        self._ready.add(name)
        self._phases[name] = Phase.RESTARTING  # when it is not ready again
        self._reasons.pop(name, None)
        self._update()

    def remove(self, name: str, phase: Phase | None = None) -> None:
        """Record that the program `name` is not ready; by default because it is starting or restarting."""
        self._ready.discard(name)
        self._reasons.pop(name, None)
        if phase or self._phases.get(name, Phase.STARTING) is not Phase.STARTING:
            self._phases[name] = phase or Phase.RESTARTING
        self._update()

    def explain(self, name: str, why: str) -> None:
        """Show clients why the program `name` is not ready, until that changes."""
        self._reasons[name] = why
        self._update()

    def reason(self, name: str) -> str:
        """Return what `explain` was told of the program `name`."""
        return self._reasons.get(name, "")

    def has(self, names: Iterable[str]) -> bool:
        """Return whether all the programs `names` are ready."""
        return self._ready.issuperset(names)

    def _update(self) -> None:
        ready = self._open and self._essential <= self._ready
        if not ready:
            self._show_reason(self._state())
        self._mark_down()
        if ready == self._written:
            self._failing = False
            return
        try:
            if ready:
                if not self._first.exists():
                    self._first.touch()
                publish(self._file, READY)
            else:
                self._file.unlink(missing_ok=True)
        except OSError as error:
            self._failed(f"cannot {'write' if ready else 'remove'} {self._file}: {error.strerror}")
            return
        if self._failing:
            self._log(f"{'wrote' if ready else 'removed'} {self._file} after earlier failures")
        self._failing = False
        self._written = ready
        if ready:
            self._show_reason("")
            self._became_ready(f"{'again ' if self._again else ''}after {_now() - self._since:.2f} s")
            self._again = True
        else:
            self._since = _now()

    def _state(self) -> str:
        """Return why the container is not ready, as JSON."""
        phases = {name: self._phases.get(name, Phase.STARTING) for name in sorted(self._essential - self._ready)}
        first = min(phases.values(), key=list(Phase).index, default=Phase.STARTING)
        state: dict[str, object] = {"phase": "stopping" if self._ended else first}
        if phases and not self._ended:
            state["programs"] = [name for name, phase in phases.items() if phase is first]
        if reasons := [f"{name}: {why}" for name, why in self._reasons.items() if name in phases]:
            state["why"] = "; ".join(reasons)
        return json.dumps(state) + "\n"

    def _mark_down(self) -> None:
        phases = {self._phases.get(name) for name in self._essential - self._ready}
        with contextlib.suppress(OSError):
            if phases.isdisjoint({Phase.FAILED, Phase.STOPPED}):
                self._down.unlink(missing_ok=True)
            else:
                self._down.touch()

    def _show_reason(self, text: str) -> None:
        """Write the reason, or remove it if `text` is empty. Without it nginx says that the application starts."""
        if text == self._shown:
            return
        self._shown = text
        with contextlib.suppress(OSError):
            if text:
                publish(self._reason, text)
                return
        with contextlib.suppress(OSError):  # if the disk is full, no reason is better than a wrong one
            self._reason.unlink(missing_ok=True)

    def _failed(self, why: str) -> None:
        """Log the first failure, and try again until the file is correct."""
        if not self._failing:
            self._log(f"{why}; trying again every {AGAIN:g} s")
        self._failing = True
        if not self._retry.running:
            self._retry.start(AGAIN)


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def publish(file: Path, text: str) -> None:
    """Write a file atomically, readable for every user."""
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(text, "utf-8")
    beside.chmod(0o644)
    os.replace(beside, file)  # noqa: PTH105 - named like rename(2)
