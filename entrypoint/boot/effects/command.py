"""Run a command to its end: pass on its output, limit its time, and stop it with all its processes."""

import fcntl
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import FileIO
from pathlib import PurePath
from typing import Final

from entrypoint.boot.effects.signals import StopRequests
from entrypoint.boot.trust.accounts import Account
from entrypoint.errors import NotRunnable, TimedOut

_GRACE: Final = 5.0  # seconds between SIGTERM and SIGKILL
_LONGEST_PAUSE: Final = 0.1  # seconds between two checks whether a silent command has ended
_READ: Final = 65536

Take = Callable[[bytes], object]


def run(  # noqa: PLR0913 -- everything that a process has
    title: str,
    command: tuple[str, ...],
    environment: Mapping[str, str],
    take: Take,
    stops: StopRequests,
    *,
    seconds: float,
    directory: PurePath | None = None,
    account: Account | None = None,
    pass_fds: tuple[int, ...] = (),
) -> int | None:
    """Run a command as `account`, or as the current user; `take` gets its output piece by piece.

    Return its status, negative after a signal; None if it had to be stopped after so many `seconds`. Raises
    NotRunnable, which names it by its `title`, or Stopped.
    """
    output, written = os.pipe()
    os.fchmod(written, 0o666)  # the command may open /dev/stdout as another user
    os.set_blocking(output, False)  # it may read there what we were about to read
    with FileIO(output) as stream:
        try:
            # In a session of its own: we signal its whole group, and Ctrl-C in the terminal reaches only us. Without a
            # terminal: OpenSSL would ask there for a pass phrase, and another user could type into the shell of root.
            process = subprocess.Popen(  # noqa: S603 -- a command of the plan; no shell unless the user asks for one
                command,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=written,
                pass_fds=pass_fds,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=account.groups if account else None,
                start_new_session=True,
            )
        except OSError as error:
            raise NotRunnable(f"cannot run {title}: {error.strerror}") from error
        finally:
            os.close(written)
        status = None
        try:
            status = _follow(process, stream, take, stops, seconds)
        finally:
            if status != 0:
                _stop(process, stream, take)
        return status


def captured(
    command: tuple[str, ...],
    environment: Mapping[str, str],
    stops: StopRequests,
    *,
    seconds: float,
    account: Account | None = None,
) -> tuple[int, str]:
    """Run a command; return its status and its output. Raises NotRunnable, Stopped, or TimedOut after `seconds`."""
    output = bytearray()
    status = run(command[0], command, environment, output.extend, stops, seconds=seconds, account=account)
    if status is None:
        raise TimedOut(f"cannot run {' '.join(command)}: it did not end within {seconds:g} s")
    return status, output.decode(errors="backslashreplace")


def _follow(
    process: "subprocess.Popen[bytes]", stream: FileIO, take: Take, stops: StopRequests | None, seconds: float
) -> int | None:
    """Pass on the output until the process ends; return its status, or None after `seconds`. Raises Stopped."""
    deadline = time.monotonic() + seconds
    pause = _LONGEST_PAUSE  # a process that it left running may hold its output open: poll as well
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        if stops:
            selector.register(stops, selectors.EVENT_READ)
        while process.poll() is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            pause = min(2 * pause, _LONGEST_PAUSE)
            for key, _ in selector.select(min(left, pause)):
                if stops and key.fileobj is stops:
                    stops.check()
                elif (data := stream.read(_READ)) is None:
                    continue  # the command has read it
                elif data:
                    take(data)
                else:
                    selector.unregister(stream)
                    pause = 0.0005
                    time.sleep(0.0001)  # usually it ends now, and the selector would sleep for a millisecond
    # What the pipe holds, and no more: it may have left a process that writes on.
    if data := stream.read(fcntl.fcntl(stream, fcntl.F_GETPIPE_SZ)):
        take(data)
    return process.returncode


def _stop(process: "subprocess.Popen[bytes]", stream: FileIO, take: Take) -> None:
    """Stop its process group: SIGTERM, then SIGKILL."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    _follow(process, stream, take, None, _GRACE)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
