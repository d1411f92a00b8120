"""Tasks in supervisord's one thread besides its own work: timers, and generators that never block."""

import math
import sched
import select
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import NamedTuple


class Timer:
    """Calls a function once, some seconds after `start`, unless `stop` is called before."""

    def __init__(self, timers: sched.scheduler, expired: Callable[[], None]) -> None:
        self._timers = timers
        self._expired = expired
        self._event: sched.Event | None = None

    @property
    def running(self) -> bool:
        """Whether the function will be called."""
        return self._event is not None

    def start(self, seconds: float) -> None:
        """Start, or start again."""
        self.stop()
        self._event = self._timers.enter(seconds, 0, self._expire)

    def stop(self) -> None:
        """Stop; that has no effect if the timer does not run."""
        if self._event is not None:
            self._timers.cancel(self._event)
            self._event = None

    def _expire(self) -> None:
        self._event = None
        self._expired()


class Wait(NamedTuple):
    """An event of epoll(7) that a generator waits for. It is resumed with whether the event came in time."""

    fd: int
    events: int
    seconds: float = math.inf


Steps = Generator[Wait, bool, None]


class _Task:
    def __init__(self, steps: Steps, expires: float) -> None:
        self.steps = steps
        self.expires = expires
        self.pending: tuple[Wait, sched.Event] | None = None


class Tasks:
    """The generators that wait, and one descriptor that is readable when one of them can continue."""

    def __init__(self, timers: sched.scheduler) -> None:
        self.timers = timers
        self._epoll = select.epoll()
        self._waiting: dict[int, _Task] = {}
        self.fd = self._epoll.fileno()

    def start(self, steps: Steps, seconds: float) -> Callable[[], None]:
        """Run a generator. After so many `seconds` it is told that its event is late, and closed when it waits again.

        Return a function that closes it before.
        """
        task = _Task(steps, self.timers.timefunc() + seconds)
        self._resume(task, in_time=None)
        return lambda: self._end(task)

    def proceed(self) -> None:
        """Continue one generator: supervisord's other work comes between, and one may end others."""
        for fd, _ in self._epoll.poll(0, 1):
            self._resume(self._waiting[fd], in_time=True)

    def close(self) -> None:
        """Close all generators."""
        for task in list(self._waiting.values()):
            self._end(task)
        self._epoll.close()

    def _resume(self, task: _Task, *, in_time: bool | None) -> None:
        self._forget(task)
        try:
            wait = task.steps.send(in_time)  # type: ignore[arg-type] # None starts it
        except StopIteration:
            return
        now = self.timers.timefunc()
        if now >= task.expires:
            task.steps.close()
            return
        self._epoll.register(wait.fd, wait.events)
        self._waiting[wait.fd] = task
        until = min(now + wait.seconds, task.expires)
        task.pending = wait, self.timers.enterabs(until, 0, self._resume, (task,), {"in_time": False})

    def _forget(self, task: _Task) -> None:
        """Wait no longer for the event of a generator."""
        if task.pending:
            wait, timer = task.pending
            task.pending = None
            del self._waiting[wait.fd]
            with suppress(OSError):  # the kernel removes a descriptor that is closed
                self._epoll.unregister(wait.fd)
            with suppress(ValueError):  # a timer that has fired is no longer in the queue
                self.timers.cancel(timer)

    def _end(self, task: _Task) -> None:
        task.expires = -math.inf
        self._forget(task)
        with suppress(ValueError):  # it runs, and is closed when it waits again
            task.steps.close()
