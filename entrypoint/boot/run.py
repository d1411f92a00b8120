"""Running a command that has to succeed, its lines passed on, ended where a stop is asked for."""

import os
import selectors
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from entrypoint.boot.signals import StopRequests
from entrypoint.boot.steps import Run
from entrypoint.errors import NotFound, NotRunnable, StepFailed

_GRACE: Final = 5.0  # seconds that a stopped command has for its end


def run(step: Run, tell: Callable[[str, str], None], stops: StopRequests) -> None:
    """Run it to its end; `tell` gets its name and each line.

    Raises StepFailed with its exit code, NotFound or NotRunnable, Stopped when a stop was asked for meanwhile.
    """
    account = step.account
    try:
        process = subprocess.Popen(  # noqa: S603 -- the user's own command, no shell
            step.command,
            cwd=step.directory,
            env=dict(step.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C in the terminal is ours to pass on
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=account.groups if account else None,
        )
    except FileNotFoundError as error:
        raise NotFound(f"cannot run {step.name}: there is no command {step.command[0]}") from error
    except OSError as error:
        raise NotRunnable(f"cannot run {step.name}: {error.strerror}") from error
    try:
        _relay(process, lambda line: tell(step.name, line), stops)
        code = process.wait()
    except BaseException:
        _end(process)
        raise
    finally:
        assert process.stdout is not None  # noqa: S101 -- it is a PIPE
        process.stdout.close()
    if code:
        how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"
        raise StepFailed(f"cannot run {step.name}: it {how}", 128 - code if code < 0 else code)


def _relay(process: "subprocess.Popen[bytes]", tell: Callable[[str], None], stops: StopRequests) -> None:
    """Pass its lines on until its process has ended; what it left behind may hold its output open for longer."""
    assert process.stdout is not None  # noqa: S101 -- it is a PIPE
    output = process.stdout.fileno()
    os.set_blocking(output, False)
    end = os.pidfd_open(process.pid)
    rest = b""
    try:
        with selectors.DefaultSelector() as selector:
            for each in (output, end, stops):
                selector.register(each, selectors.EVENT_READ)
            ended = False
            while not ended:
                ready = {key.fileobj for key, _ in selector.select()}
                stops.check()
                ended = end in ready
                while data := _read(output):
                    *lines, rest = (rest + data).split(b"\n")
                    for line in lines:
                        tell(line.decode(errors="backslashreplace"))
                if data == b"" and output in selector.get_map():
                    selector.unregister(output)
    finally:
        os.close(end)
    if rest:
        tell(rest.decode(errors="backslashreplace"))


def _read(output: int) -> bytes | None:
    """Return what is there: nothing at its end, None where more may come."""
    try:
        return os.read(output, 65536)
    except BlockingIOError:
        return None


def _end(process: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
            return
