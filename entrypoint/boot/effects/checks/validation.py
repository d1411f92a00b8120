"""Validate configuration files with the programs that read them: nginx, and supervisord's own parser."""

import io
import os
import re
import selectors
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr
from typing import Final

from entrypoint.boot.effects.signals import StopRequests
from entrypoint.boot.plan.check_steps import ValidateNginx, ValidateSupervisord
from entrypoint.boot.trust.accounts import Account
from entrypoint.errors import EntrypointError, NotRunnable, TimedOut, Unusable

_FILE: Final = re.compile(r" \(file: '(?P<path>[^']+)'\)")
_TIMEOUT: Final = 60.0  # seconds


def validate_nginx(step: ValidateNginx, stops: StopRequests) -> None:
    """Run `nginx -t`. Raises Unusable with nginx's message, the line that it is about and the remedy."""
    status, said = run(step.command, step.environment, stops, seconds=_TIMEOUT)
    if status:
        from entrypoint.boot.effects.checks.nginx_fault import nginx_fault  # noqa: PLC0415 -- needed only for an error

        raise Unusable(nginx_fault(said, step))


def validate_supervisord(step: ValidateSupervisord) -> None:
    """Let supervisord's parser read its configuration. Raises Unusable with its message."""
    from supervisor.options import ServerOptions  # noqa: PLC0415 -- 50 ms in which nginx could serve already

    # The parser looks for a folder for temporary files, which a read-only container may lack. It writes nothing there.
    tempfile.tempdir = str(step.file.path.parent)
    options = ServerOptions()
    said = io.StringIO()
    options.stderr = options.stdout = said
    try:
        with redirect_stderr(said):
            options.realize(["-c", str(step.file.path)])
    except (ValueError, SystemExit) as error:
        why = (said.getvalue().strip().splitlines() or [str(error)])[0].removeprefix("Error: ")
        found = _FILE.search(why)
        if found and found["path"] != str(step.file.path):
            raise Unusable(f"cannot use {found['path']}: {_FILE.sub('', why)}") from error
        raise Unusable(f"cannot use {step.file.path}, from {step.file.source}: {why}") from error


def run(
    command: tuple[str, ...],
    environment: Mapping[str, str],
    stops: StopRequests,
    *,
    seconds: float,
    account: Account | None = None,
) -> tuple[int, str]:
    """Run a command, as `account` without its other groups; return its return code and its output.

    Raises NotRunnable, TimedOut after so many `seconds`, or Stopped after a signal.
    """
    output, written = os.pipe()
    # The command may run as another user, which must be able to open its /dev/stdout.
    os.fchmod(written, 0o666)
    with os.fdopen(output, "rb", buffering=0) as stream:
        try:
            # Without a terminal: OpenSSL would ask there for the pass phrase of an encrypted key, and another user
            # could type into the shell that root has called us from.
            process = subprocess.Popen(  # noqa: S603 -- the plan's own command, no shell
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=written,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                start_new_session=True,
            )
        except OSError as error:
            raise NotRunnable(f"cannot run {command[0]}: {error.strerror}") from error
        finally:
            os.close(written)
        try:
            said = b"".join(_read_to_the_end(stream, stops, f"run {' '.join(command)}", seconds))
        except EntrypointError:
            process.kill()
            raise
        finally:
            process.wait()
    return process.returncode, said.decode(errors="backslashreplace")


def _read_to_the_end(stream: io.RawIOBase, stops: StopRequests, doing: str, seconds: float) -> Iterator[bytes]:
    """Yield the output of a command until it ends. Raises TimedOut, Stopped."""
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        selector.register(stops, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                if key.fileobj is stops:
                    stops.check()
                elif data := stream.read(65536):
                    yield data
                else:
                    return
    raise TimedOut(f"cannot {doing}: it did not end within {seconds:g} s")
