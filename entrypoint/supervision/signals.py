"""Signals: held until supervisord can handle them, safe for new processes, and able to wake up supervisord's loop.

Their effects are elsewhere: a stop in shutdown/stop.py, a reload by HUP in clients/clients.py.
"""

import contextlib
import os
import signal
from collections.abc import Mapping

HELD = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2})
"""boot blocks these before the exec of supervisord. Process 1 loses a signal that it has no handler for, see
pid_namespaces(7); a blocked signal stays pending, also across exec, see sigprocmask(2)."""


IGNORED = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGUSR1)
"""The signals that Python and this plugin ignore. An exec resets handlers, but keeps ignored signals ignored."""


def hold() -> None:
    """Keep signals pending that are sent from now on."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)


def release() -> None:
    """Deliver the pending signals. supervisord must have installed its handlers."""
    # supervisord has no handler for USR1: a stray one would end a supervisord that is not process 1.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def fork() -> int:
    """Fork as os.fork() does; the child has default handlers, an empty signal mask and a process group of its own.

    Between fork and exec a child still has its parent's handlers: it would note a TERM and forget it at the exec, and
    supervisord would wait `stopwaitsecs` for a program that never got the signal.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    pid = -1
    try:
        pid = os.fork()
    finally:
        if pid != 0:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if pid > 0:
        # The child does this, too, but it may be stopped by SIGSTOP before: then SIGKILL would find no such group.
        with contextlib.suppress(PermissionError, ProcessLookupError):  # the child has called exec, or is dead
            os.setpgid(pid, pid)
    if pid == 0:
        signal.set_wakeup_fd(-1)  # the pipe is shared with the parent
        for number in signal.valid_signals():
            if signal.getsignal(number) not in (signal.SIG_DFL, None):  # Python itself ignores PIPE and XFSZ
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
    return pid


def spawn(command: tuple[str, ...], environment: Mapping[str, str], output: int | None = None) -> int:
    """Start a command without input, with default signals and a process group of its own; return its PID.

    It writes to `output`, by default to this process's stdout and stderr. Raises OSError.
    """
    outputs = [] if output is None else [(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
    return os.posix_spawn(
        command[0],
        command,
        environment,
        file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), *outputs],
        setpgroup=0,
        setsigmask=(),
        setsigdef=IGNORED,
    )


class WakeUp:
    """A pipe that Python writes to at each signal, so that a poll ends. A process has one such descriptor.

    Without it Python restarts an interrupted poll with the remaining time (PEP 475).
    """

    def __init__(self) -> None:
        self.fd, self._end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._end, warn_on_full_buffer=False)

    def clear(self) -> None:
        """Empty the pipe. The signals themselves are noted by their handlers."""
        try:
            while os.read(self.fd, 4096):
                continue
        except BlockingIOError:
            return

    def close(self) -> None:
        """Close the pipe; signals no longer write to it."""
        signal.set_wakeup_fd(-1)
        os.close(self.fd)
        os.close(self._end)
