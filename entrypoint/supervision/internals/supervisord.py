"""The running supervisord: facts about it, orders to it, and the places where our code takes part."""
# ruff: noqa: SLF001, ANN401 - supervisor ships no types, and what has to be replaced is not always public

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
from entrypoint.supervision.internals.guard import Guard
from entrypoint.supervision.internals.output import LogHandler
from entrypoint.supervision.internals.program import NEVER, Program

LISTENER_DELAY = 0.01
"""Seconds until an event is offered to an event listener: supervisord offers it in its next round."""

TICK_EVENT = 5
"""Seconds of the shortest of supervisord's TICK events; the others are multiples."""


class Supervisord:
    """One round of supervisord: `supervisorctl reload` begins a new one in the same process."""

    def __init__(self, supervisord: Any) -> None:
        verify(supervisord)
        self._supervisord = supervisord
        self._options = supervisord.options
        self._guard = Guard(self.critical)
        self._programs: dict[tuple[str, str], Program] = {}
        self._subscribe(events.ProcessStateEvent, lambda event: self._program(event.process).settle())

    # Facts

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
        """Whether it will begin anew, for `supervisorctl reload`."""
        return bool(self._options.mood == SupervisorStates.RESTARTING)

    @property
    def signals(self) -> list[int]:
        """Signals that are noted and not handled yet."""
        return list(self._options.signal_receiver._signals_recvd)

    def program_with(self, pid: int) -> Program | None:
        """Return the program that runs, or lies unreaped, as `pid`."""
        process = self._options.pidhistory.get(pid)
        return None if process is None else self._program(process)

    def due(self) -> float:
        """Return the seconds until supervisord has something to do that no descriptor will tell it."""
        now = time.time()
        waits = [program.due(now, stopping=self.stopping) for program in self.programs]
        waits += [_answer_due(each, now) for each in asyncore.socket_map.values()]
        waits += [_listener_due(group) for group in self._supervisord.process_groups.values()]
        if any(issubclass(kind, events.TickEvent) or kind is events.Event for kind, _ in events.callbacks):
            waits.append(TICK_EVENT - now % TICK_EVENT)
        return min(waits, default=NEVER)

    # Orders

    def stop(self) -> None:
        """Stop all programs, and end."""
        self._options.mood = SupervisorStates.SHUTDOWN

    def handle_signals(self) -> None:
        """Handle all noted signals. supervisord handles one a round, after it has started programs."""
        while self.signals:
            self._supervisord.handle_signal()

    def take_signals(self, take: Callable[[int], bool]) -> None:
        """Offer each signal to `take`, and leave to supervisord what it does not take."""
        handle_signal, guarded = self._supervisord.handle_signal, self._guard(take, otherwise=False)

        def handle() -> None:
            number = self.signals[0] if self.signals else 0
            if not number or not guarded(number):
                handle_signal()
                return
            self._options.get_signal()

        self._supervisord.handle_signal = handle

    def stop_by(self, stop_next: Callable[[], None]) -> None:
        """Call `stop_next` in each round of a stop. supervisord stops one group after the other."""
        self._supervisord.ordered_stop_groups_phase_1 = self._guard(stop_next, otherwise=None)
        self._supervisord.ordered_stop_groups_phase_2 = lambda: None

    def kill_groups(self) -> None:
        """Let SIGKILL reach the whole process group of a program, whatever its configuration says."""
        kill = self._options.kill

        def kill_group(pid: int, number: int) -> None:
            kill(-abs(pid) if number == signal.SIGKILL else pid, number)

        self._options.kill = kill_group

    def info(self, message: str) -> None:
        """Log what is normal."""
        self._options.logger.info(message)

    def warn(self, message: str) -> None:
        """Log what somebody may want to know."""
        self._options.logger.warn(message)  # noqa: G010 - supervisor's own logger knows no `warning`

    def critical(self, message: str) -> None:
        """Log what needs somebody at once."""
        self._options.logger.critical(message)

    # Where our code takes part

    def each_program(self, prepare: Callable[[Program], None]) -> None:
        """Call `prepare` with every program before its first start: now, or when one is added."""
        guarded = self._guard(prepare, otherwise=None)

        def add(group: Any) -> None:
            for process in group.processes.values():
                program = Program(process, self._guard)
                self._programs[_key(process)] = program
                guarded(program)

        def remove(event: Any) -> None:
            self._programs = {key: each for key, each in self._programs.items() if key[0] != event.group}

        for group in self._supervisord.process_groups.values():
            add(group)
        self._subscribe(events.ProcessGroupAddedEvent, lambda event: add(self._supervisord.process_groups[event.group]))
        self._subscribe(events.ProcessGroupRemovedEvent, remove)

    def on_change(self, callback: Callable[[Program, bool], None]) -> None:
        """Call `callback` with each program whose state has changed, and whether its end was expected."""
        self._subscribe(events.ProcessStateEvent, lambda event: callback(self._program(event.process), event.expected))

    def on_running(self, callback: Callable[[], None]) -> None:
        """Call `callback` when supervisord's signal handlers stand and its loop is about to begin."""
        self._subscribe(events.SupervisorRunningEvent, lambda _: callback())

    def on_stopping(self, callback: Callable[[], None]) -> None:
        """Call `callback` when a stop or a reload begins, before the first program is told to stop."""
        self._subscribe(events.SupervisorStoppingEvent, lambda _: callback())

    def on_cleanup(self, callback: Callable[[], None]) -> None:
        """Call `callback` at the end of the round. A next one closes all descriptors from 5 on."""
        guarded, cleanup = self._guard(callback, otherwise=None), self._options.cleanup

        def cleanup_after() -> None:
            guarded()
            cleanup()

        self._options.cleanup = cleanup_after

    def exit_with(self, code: Callable[[], int | None]) -> None:
        """End the process with `code` instead of 0, which supervisord always has. None leaves it at that.

        Closing the log is the last that supervisord does, after all else is cleaned up.
        """
        close_logger = self._options.close_logger

        def close() -> None:
            close_logger()
            status = code()
            if status is not None and self._options.mood < SupervisorStates.RESTARTING:
                raise SystemExit(status)

        self._options.close_logger = close

    def poll_with(self, timeout: Callable[[], float], after: Callable[[], None]) -> None:
        """Poll for `timeout` seconds instead of one, and call `after` before anything is started or taken."""
        poller_poll = self._options.poller.poll
        guarded_timeout = self._guard(timeout, otherwise=1.0)
        guarded_after = self._guard(after, otherwise=None)

        def poll(_: float) -> Any:
            found = poller_poll(guarded_timeout())
            guarded_after()
            return found

        self._options.poller.poll = poll

    def wait_with(self, wait: Callable[[], tuple[int | None, int | None]]) -> None:
        """Take ended processes by `wait`, which returns PID and wait status, or (None, None)."""
        self._options.waitpid = self._guard(wait, otherwise=(None, None))

    def fork_with(self, fork: Callable[[], int]) -> None:
        """Fork by `fork`. It is not guarded: supervisord handles its OSError."""
        self._options.fork = fork

    def watch(self, fd: int, read: Callable[[], None], *, while_: Callable[[], bool] = lambda: True) -> None:
        """Call `read` when `fd` is readable, as long as `while_` says so."""
        asyncore.socket_map[fd] = _Channel(self._guard(while_, otherwise=False), self._guard(read, otherwise=None))

    def unwatch(self, fd: int) -> None:
        """Watch `fd` no more."""
        asyncore.socket_map.pop(fd, None)

    def log_to(self, write: Callable[[str, str], None], *, instead_of: int | None) -> None:
        """Log by `write`, which takes level and message, and no more to the file open as `instead_of`.

        What was logged before is lost, but for what a user can mend: supervisord's warnings about its
        configuration, and those of its complaints about a server without a password that are about TCP. On a
        unix socket the socket's mode says who may connect.
        """
        logger = self._options.logger
        logger.handlers = [each for each in logger.handlers if not _writes_to(each, instead_of)]
        handler = LogHandler(lambda record: write(record.asdict()["levelname"], record.asdict()["message"]))
        handler.setLevel(logger.level)
        logger.addHandler(handler)
        open_to_all = [
            f"[{server['section']}] has no password: whoever connects can run commands here"
            for server in self._options.server_configs
            if "port" in server and not server["username"]
        ]
        for warning in [*self._options.parse_warnings, *open_to_all]:
            logger.warn(warning)  # noqa: G010 - supervisor's own logger knows no `warning`

    def _subscribe(self, kind: type, callback: Callable[[Any], None]) -> None:
        events.subscribe(kind, self._guard(callback, otherwise=None))

    def _program(self, process: Any) -> Program:
        return self._programs[_key(process)]


class _Channel:
    """What supervisord's loop wants of an entry in its socket map."""

    def __init__(self, readable: Callable[[], bool], read: Callable[[], None]) -> None:
        self.readable = readable
        self.handle_read_event = read

    def writable(self) -> bool:
        return False

    def handle_error(self) -> None:
        """Have nothing left to do: `read` has logged its exception itself."""


def _key(process: Any) -> tuple[str, str]:
    return process.group.config.name, process.config.name


def _answer_due(channel: Any, now: float) -> float:
    """Return the seconds until an answer that is not known yet (to `start`, say) is asked for again."""
    if not isinstance(channel, deferring_http_channel) or not channel.delay:
        return NEVER
    return float(channel.last_writable_check + channel.delay - now)


def _listener_due(group: Any) -> float:
    """Return the seconds until an event listener that waits for an event can be given one."""
    if not isinstance(group, EventListenerPool) or not group.event_buffer:
        return NEVER
    idle = any(
        each.state == ProcessStates.RUNNING and each.listener_state == EventListenerStates.READY
        for each in group.processes.values()
    )
    return LISTENER_DELAY if idle else NEVER


def _writes_to(handler: Any, fd: int | None) -> bool:
    if fd is None or handler.stream is None:
        return False
    with contextlib.suppress(OSError, AttributeError, ValueError):  # no descriptor, or a closed one
        return os.path.samestat(os.fstat(handler.stream.fileno()), os.fstat(fd))
    return False
