"""The running supervisord: its state, commands to it, and the hooks for the plugin."""
# ruff: noqa: SLF001, ANN401 - supervisor ships no types, and some replaced methods are not public

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from typing import Any

from supervisor import events
from supervisor.http import deferring_http_channel
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.process import EventListenerPool
from supervisor.states import EventListenerStates, ProcessStates, SupervisorStates

from entrypoint.supervision.internals.contract import verify
from entrypoint.supervision.internals.groups import Groups
from entrypoint.supervision.internals.guard import Guard
from entrypoint.supervision.internals.output import LogHandler
from entrypoint.supervision.internals.program import NEVER, Program

LISTENER_DELAY = 0.01
"""Seconds until an event is offered to an event listener, which supervisord does in its next round."""

TICK_EVENT = 5
"""Seconds of the shortest of supervisord's TICK events; the others are multiples."""


class Supervisord:
    """One round of supervisord; `supervisorctl reload` begins a new one in the same process."""

    def __init__(self, supervisord: Any) -> None:
        verify(supervisord)
        self._supervisord = supervisord
        self._options = supervisord.options
        self._guard = Guard(self.critical)
        self._programs: dict[tuple[str, str], Program] = {}
        self.groups = Groups(supervisord, lambda: self.programs)
        """The process groups."""
        self._subscribe(events.ProcessStateEvent, lambda event: self._program(event.process).settle())

    # State

    @property
    def programs(self) -> Iterable[Program]:
        """Return all programs."""
        return self._programs.values()

    @property
    def stopping(self) -> bool:
        """Whether a stop or a reload has begun."""
        return bool(self._options.mood < SupervisorStates.RUNNING)

    @property
    def reloading(self) -> bool:
        """Whether a new round follows, for `supervisorctl reload`."""
        return bool(self._options.mood == SupervisorStates.RESTARTING)

    @property
    def signals(self) -> list[int]:
        """The signals that have arrived and are not handled yet."""
        return list(self._options.signal_receiver._signals_recvd)

    def program_with(self, pid: int) -> Program | None:
        """Return the program whose process is `pid`, running or not yet reaped."""
        process = self._options.pidhistory.get(pid)
        return None if process is None else self._program(process)

    def due(self) -> float:
        """Return the seconds until supervisord has to act although no descriptor is ready."""
        now = time.time()
        waits = [program.due(now, stopping=self.stopping) for program in self.programs]
        waits += [_response_due(each, now) for each in asyncore.socket_map.values()]
        waits += [_listener_due(group) for group in self._supervisord.process_groups.values()]
        if any(issubclass(kind, events.TickEvent) or kind is events.Event for kind, _ in events.callbacks):
            waits.append(TICK_EVENT - now % TICK_EVENT)
        return min(waits, default=NEVER)

    # Commands

    def rename(self, group: str, to: str) -> None:
        """Rename a process group. Its processes keep their names."""
        groups = self._supervisord.process_groups
        groups[to] = groups.pop(group)
        groups[to].config.name = to
        self._programs = {(to if key[0] == group else key[0], key[1]): each for key, each in self._programs.items()}

    def stop(self) -> None:
        """Stop all programs, then end."""
        self._options.mood = SupervisorStates.SHUTDOWN

    def handle_signals(self) -> None:
        """Handle all signals that have arrived. supervisord handles one a round, after it has started programs."""
        while self.signals:
            self._supervisord.handle_signal()

    def take_signals(self, take: Callable[[int], bool]) -> None:
        """Offer each signal to `take`; if that returns False, supervisord handles the signal.

        supervisord never handles HUP: it would stop all programs and start them again.
        """
        handle_signal, guarded = self._supervisord.handle_signal, self._guard(take, otherwise=False)

        def handle() -> None:
            number = self.signals[0] if self.signals else 0
            if not number or (not guarded(number) and number != signal.SIGHUP):
                handle_signal()
                return
            self._options.get_signal()

        self._supervisord.handle_signal = handle

    def stop_by(self, stop_next: Callable[[], None]) -> None:
        """Call `stop_next` in each round of a stop. supervisord itself would stop one group after the other."""
        self._supervisord.ordered_stop_groups_phase_1 = self._guard(stop_next, otherwise=None)
        self._supervisord.ordered_stop_groups_phase_2 = lambda: None

    def kill_groups(self) -> None:
        """Send SIGKILL to the whole process group of a program, whatever its configuration says."""
        kill = self._options.kill

        def kill_group(pid: int, number: int) -> None:
            kill(-abs(pid) if number == signal.SIGKILL else pid, number)

        self._options.kill = kill_group

    def info(self, message: str) -> None:
        """Log a normal event."""
        self._options.logger.info(message)

    def warn(self, message: str) -> None:
        """Log a warning."""
        self._options.logger.warn(message)  # noqa: G010 - supervisor's logger has no `warning`

    def critical(self, message: str) -> None:
        """Log an event that needs attention."""
        self._options.logger.critical(message)

    # Hooks

    def each_program(self, prepare: Callable[[Program], None]) -> None:
        """Call `prepare` with every program before its first start: now, or when it is added."""
        guarded = self._guard(prepare, otherwise=None)

        def add(group: Any) -> None:
            for process in group.processes.values():
                program = Program(process, self._guard)
                self._programs[_key(process)] = program
                guarded(program)

        def remove(event: Any) -> None:
            for each in self.groups.programs(event.group):
                each.retire()
            self._programs = {key: each for key, each in self._programs.items() if key[0] != event.group}

        for group in self._supervisord.process_groups.values():
            add(group)
        self._subscribe(events.ProcessGroupAddedEvent, lambda event: add(self._supervisord.process_groups[event.group]))
        self._subscribe(events.ProcessGroupRemovedEvent, remove)

    def on_change(self, callback: Callable[[Program], None]) -> None:
        """Call `callback` with each program whose state has changed."""
        self._subscribe(events.ProcessStateEvent, lambda event: callback(self._program(event.process)))

    def on_running(self, callback: Callable[[], None]) -> None:
        """Call `callback` when supervisord has installed its signal handlers and its loop is about to begin."""
        self._subscribe(events.SupervisorRunningEvent, lambda _: callback())

    def on_stopping(self, callback: Callable[[], None]) -> None:
        """Call `callback` when a stop or a reload begins, before the first program is stopped."""
        self._subscribe(events.SupervisorStoppingEvent, lambda _: callback())

    def on_cleanup(self, callback: Callable[[], None]) -> None:
        """Call `callback` at the end of the round. The next round closes all descriptors from 5 on."""
        guarded, cleanup = self._guard(callback, otherwise=None), self._options.cleanup

        def cleanup_after() -> None:
            guarded()
            cleanup()

        self._options.cleanup = cleanup_after

    def exit_with(self, code: Callable[[], int | None]) -> None:
        """End the process with `code`, unless that is None, instead of supervisord's constant 0.

        Closing the log is the last action of supervisord.
        """
        close_logger = self._options.close_logger

        def close() -> None:
            close_logger()
            status = code()
            if status is not None and self._options.mood < SupervisorStates.RESTARTING:
                raise SystemExit(status)

        self._options.close_logger = close

    def poll_with(self, timeout: Callable[[], float], after: Callable[[], None]) -> None:
        """Poll for `timeout` seconds instead of one, and call `after` before anything is started or reaped."""
        poller_poll = self._options.poller.poll
        guarded_timeout = self._guard(timeout, otherwise=1.0)
        guarded_after = self._guard(after, otherwise=None)

        def poll(_: float) -> Any:
            found = poller_poll(guarded_timeout())
            guarded_after()
            return found

        self._options.poller.poll = poll

    def wait_with(self, wait: Callable[[], tuple[int | None, int | None]]) -> None:
        """Reap processes by `wait`, which returns PID and wait status, or (None, None)."""
        self._options.waitpid = self._guard(wait, otherwise=(None, None))

    def fork_with(self, fork: Callable[[], int]) -> None:
        """Fork by `fork`, which is not guarded: supervisord handles its OSError."""
        self._options.fork = fork

    def watch(self, fd: int, read: Callable[[], None], *, while_: Callable[[], bool] = lambda: True) -> None:
        """Call `read` when `fd` is readable, while `while_` returns True."""
        asyncore.socket_map[fd] = _Channel(self._guard(while_, otherwise=False), self._guard(read, otherwise=None))

    def unwatch(self, fd: int) -> None:
        """Stop watching `fd`."""
        asyncore.socket_map.pop(fd, None)

    def log_to(self, write: Callable[[str, str], None], *, instead_of: int) -> None:
        """Log by `write`, which takes level and message, and no longer to the file open as `instead_of`.

        Earlier messages are lost, except those that a user can act on: supervisord's warnings about its configuration,
        and a warning for each TCP server without a password. A unix socket is protected by its mode.
        """
        logger = self._options.logger
        logger.handlers = [each for each in logger.handlers if not _writes_to(each, instead_of)]
        handler = LogHandler(lambda record: write(record.asdict()["levelname"], record.asdict()["message"]))
        handler.setLevel(logger.level)
        logger.addHandler(handler)
        open_to_all = [
            f"[{server['section']}] has no password: any client can run commands here"
            for server in self._options.server_configs
            if "port" in server and not server["username"]
        ]
        for warning in [*self._options.parse_warnings, *open_to_all]:
            logger.warn(warning)  # noqa: G010 - supervisor's logger has no `warning`

    def _subscribe(self, kind: type, callback: Callable[[Any], None]) -> None:
        events.subscribe(kind, self._guard(callback, otherwise=None))

    def _program(self, process: Any) -> Program:
        return self._programs[_key(process)]


class _Channel:
    """What supervisord's loop needs in its socket map."""

    def __init__(self, readable: Callable[[], bool], read: Callable[[], None]) -> None:
        self.readable = readable
        self.handle_read_event = read

    def writable(self) -> bool:
        return False

    def handle_error(self) -> None:
        """Do nothing: the guard of `read` has logged the exception."""


def _key(process: Any) -> tuple[str, str]:
    return process.group.config.name, process.config.name


def _response_due(channel: Any, now: float) -> float:
    """Return the seconds until a deferred response (to `start`, for example) is tried again."""
    if not isinstance(channel, deferring_http_channel) or not channel.delay:
        return NEVER
    return float(channel.last_writable_check + channel.delay - now)


def _listener_due(group: Any) -> float:
    """Return the seconds until a waiting event listener can be given an event."""
    if not isinstance(group, EventListenerPool) or not group.event_buffer:
        return NEVER
    idle = any(
        each.state == ProcessStates.RUNNING and each.listener_state == EventListenerStates.READY
        for each in group.processes.values()
    )
    return LISTENER_DELAY if idle else NEVER


def _writes_to(handler: Any, fd: int) -> bool:
    with contextlib.suppress(OSError, AttributeError, ValueError):  # no descriptor, or it is closed
        return os.path.samestat(os.fstat(handler.stream.fileno()), os.fstat(fd))
    return False
