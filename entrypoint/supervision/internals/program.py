"""One process of supervisord's configuration: its state, commands to it, and when it starts again."""
# ruff: noqa: ANN401 - supervisor ships no types

import contextlib
import os
import signal
import time
from collections.abc import Callable
from enum import IntEnum
from typing import Any

from supervisor.datatypes import RestartUnconditionally
from supervisor.options import BadCommand, NotFound, ProcessException
from supervisor.states import ProcessStates, SupervisorStates

from entrypoint.supervision.internals.child import Child
from entrypoint.supervision.internals.guard import Guard

NEVER = float("inf")

TICK = 1.0
"""Seconds of supervisord's own loop. No wait for its wall clock is longer, so that a change of the clock has no other
effect than without the plugin."""


class State(IntEnum):
    """States of a program, see "Process States" in supervisord's manual."""

    STOPPED = ProcessStates.STOPPED
    STARTING = ProcessStates.STARTING
    RUNNING = ProcessStates.RUNNING
    BACKOFF = ProcessStates.BACKOFF
    STOPPING = ProcessStates.STOPPING
    EXITED = ProcessStates.EXITED
    FATAL = ProcessStates.FATAL
    UNKNOWN = ProcessStates.UNKNOWN


class Program:
    """One program, through all its starts and ends."""

    def __init__(self, process: Any, guard: Guard) -> None:
        self._process = process
        self._guard = guard
        self.child = Child(process, guard)
        """How its processes start."""
        self.wait_status: int | None = None
        """The status of wait(2) when it last ended; None while it runs, or if it could not be started.
        supervisord itself does not keep the number of the signal."""
        self.replaced = False
        """Whether `replace` caused its last or imminent end."""
        self._governed = False
        self._may_start: Callable[[], bool] = lambda: True

    @property
    def name(self) -> str:
        """Return supervisord's name of the process, its `process_name`."""
        return str(self._process.config.name)

    @property
    def group(self) -> str:
        """Return the name of its group. Two groups may have programs of one name."""
        return str(self._process.group.config.name)

    @property
    def state(self) -> State:
        """Return its state."""
        return State(self._process.state)

    @property
    def pid(self) -> int:
        """Return its process ID, 0 if it does not run."""
        return int(self._process.pid)

    @property
    def ended(self) -> bool:
        """Whether it has ended and `restart_if` decides about its restart."""
        if self.state is State.BACKOFF:
            return self._governed
        return self.state is State.EXITED or (self.state is State.STOPPED and self.replaced)

    @property
    def unstarted(self) -> bool:
        """Whether it starts automatically, and has not been started yet."""
        process = self._process
        return bool(self.state is State.STOPPED and process.config.autostart and not process.laststart)

    @property
    def exhausted(self) -> bool:
        """Whether it failed to start more often than `startretries` allows."""
        return bool(self._process.backoff > self._process.config.startretries)

    @property
    def restarts(self) -> bool:
        """Whether supervisord's own configuration restarts it after its last end."""
        config = self._process.config
        if config.autorestart is RestartUnconditionally:
            return True
        return bool(config.autorestart) and self._process.exitstatus not in config.exitcodes

    def command_fault(self) -> tuple[int, str] | None:
        """Return a shell's exit status and the reason if its command cannot be started."""
        try:
            self._process.get_execv_args()
        except (BadCommand, NotFound) as error:
            return 127, str(error)
        except ProcessException as error:
            return 126, str(error)
        return None

    def due(self, now: float, *, stopping: bool) -> float:
        """Return the seconds until supervisord has to act on it; `now` is time.time()."""
        process = self._process
        match process.state:
            case ProcessStates.STARTING:
                return min(TICK, float(process.laststart + process.config.startsecs - now))
            case ProcessStates.BACKOFF if self._governed:
                pass
            case ProcessStates.BACKOFF if process.backoff > process.config.startretries:
                return 0
            case ProcessStates.STOPPING:
                return min(TICK, float(process.delay - now))
            case ProcessStates.BACKOFF if not stopping:
                return min(TICK, float(process.delay - now))
            case ProcessStates.STOPPED if not stopping and self.unstarted and self._may_start():
                return 0
        return NEVER

    def stop(self, seconds: float | None = None) -> None:
        """Send it its stop signal; SIGKILL follows after its `stopwaitsecs`, or after `seconds` at the last stop."""
        if seconds is not None:
            self._process.config.stopwaitsecs = seconds
        self._process.stop()

    def repeat_stop_signal(self) -> None:
        """Send its stop signal again; the time until SIGKILL does not begin anew."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, self._process.config.stopsignal)

    def kill(self) -> None:
        """Send SIGKILL to its process group."""
        if self.state is not State.STOPPING:
            self.stop()  # SIGKILL is supervisord's second signal of a stop
        if self.state is State.STOPPING:
            self._process.kill(signal.SIGKILL)

    def signal(self, number: int) -> bool:
        """Send it a signal if it is RUNNING, and return whether it was sent."""
        return self.state is State.RUNNING and self._process.signal(number) is None

    def replace(self) -> None:
        """Stop it by its stop signal, and after `stopwaitsecs` by SIGKILL; `restart_if` decides what follows."""
        if self.state in {State.STARTING, State.RUNNING}:
            self.replaced = True
            self._process.kill(self._process.config.stopsignal)

    def start(self) -> None:
        """Start it if it does not run and does not stop, as a client of supervisord would."""
        if self.state in {State.STOPPED, State.EXITED, State.FATAL, State.BACKOFF}:
            self._process.spawn()

    def give_up(self) -> None:
        """Make it FATAL, as if it had never started. Call this only from within `restart_if`."""
        process = self._process
        process.backoff = process.delay = 0
        process.system_stop = True
        process.change_state(ProcessStates.FATAL)

    def start_if(self, may_start: Callable[[], bool]) -> None:
        """Delay its first automatic start until `may_start`, called in each round, returns True.

        A start by a client is not delayed.
        """
        self._may_start = self._guard(may_start, otherwise=True)

    def restart_if(self, may_restart: Callable[[], bool], waits: Callable[[], bool], *, governed: bool) -> None:
        """Restart it after an end only once `may_restart`, called in each round, returns True.

        While it `waits` for that, a client may stop it (see `interface`). If it is `governed`, this applies to a failed
        start, too, which supervisord would otherwise retry by itself.
        """
        self._governed = governed
        process, transition = self._process, self._process.transition
        guarded = self._guard(may_restart, otherwise=True)

        def transition_if() -> None:
            if self.ended:
                # supervisord's own code would only use its configuration.
                if process.config.options.mood > SupervisorStates.RESTARTING and guarded():
                    process.spawn()
            elif not self.unstarted or self._may_start():
                transition()

        process.transition = transition_if

        def stop_waiting() -> bool:
            if not waits():
                return False
            self.replaced = False
            process.administrative_stop = True
            process.change_state(ProcessStates.STOPPED)
            return True

        process.stop_waiting = self._guard(stop_waiting, otherwise=False)

    def retire(self) -> None:
        """Never start it again: it is removed, but supervisord's round may have begun before that."""
        self._process.transition = lambda: None

    def take_success_at_once(self) -> None:
        """Treat exit status 0 as success even within `startsecs`, when supervisord sees a failed start."""
        process, finish = self._process, self._process.finish

        def finish_well(pid: int, wait_status: int) -> None:
            if wait_status == 0 and process.state == ProcessStates.STARTING:
                process.laststart = min(process.laststart, time.time() - process.config.startsecs)
            finish(pid, wait_status)

        process.finish = finish_well

    def died(self, wait_status: int) -> None:
        """Record its end: the rest of its output is read even if its sink is crowded."""
        self.wait_status = wait_status
        for each in self.child.outputs():
            each.dead = True

    def settle(self) -> None:
        """Record a new state: forget its last end, or finish its output, which supervisord has read completely."""
        if self.state is State.STARTING:
            self.wait_status = None
            self.replaced = False
        elif self.state in {State.STOPPED, State.BACKOFF, State.EXITED}:
            for each in self.child.outputs():
                each.end()
