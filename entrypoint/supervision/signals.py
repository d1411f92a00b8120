"""Signals that must not get lost: held until supervisord can take them, and not swallowed at a fork."""

import contextlib
import os
import signal

HELD = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2})
"""Boot blocks these before it becomes supervisord: PID 1 without a handler loses a signal (man 7
pid_namespaces), but one that is blocked stays pending, also across exec (man 2 sigprocmask)."""


def hold() -> None:
    """Keep what is sent from now on pending."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)


def release() -> None:
    """Deliver what was held. supervisord's handlers must stand."""
    # supervisord has no use and no handler for USR1: outside of PID 1 a stray one would end it and orphan its
    # children.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def send_again(number: int) -> None:
    """Send ourselves the signal `number`: while it is held, it waits for whoever handles it next."""
    os.kill(os.getpid(), number)


def fork() -> int:
    """Fork as os.fork() does, with a child that has no handler, ignores nothing and blocks nothing.

    Between fork and exec a child still has its parent's handlers: a TERM sent to it then would be noted by
    supervisord's code in the child and forgotten by the exec, and supervisord would wait `stopwaitsecs` for a
    program that knows of no stop.
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
        signal.set_wakeup_fd(-1)  # the pipe is shared: the child's signals are none of the parent's
        for number in signal.valid_signals():
            if signal.getsignal(number) not in (signal.SIG_DFL, None):  # Python itself ignores PIPE and XFSZ
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
    return pid
