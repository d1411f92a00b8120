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
from pathlib import PurePath
from typing import Final

from entrypoint.boot.effects.signals import StopRequests
from entrypoint.boot.plan.steps import ValidateNginx, ValidateSupervisord
from entrypoint.errors import EntrypointError, NotRunnable, TimedOut, Unusable

_WHERE: Final = re.compile(r" in (?P<path>/\S+):(?P<line>\d+)$")
_EMERGENCY: Final = re.compile(r"^.*\[emerg\] (\d+#\d+: )?")
_FILE: Final = re.compile(r" \(file: '(?P<path>[^']+)'\)")
_TIMEOUT: Final = 60.0  # seconds


def validate_nginx(step: ValidateNginx, stops: StopRequests) -> None:
    """Run `nginx -t`. Raises Unusable with nginx's message and the line that it is about."""
    status, said = _run(step.command, step.environment, stops)
    if status == 0:
        return
    message = next((line for line in said.splitlines() if "[emerg]" in line), said.strip())
    message = _EMERGENCY.sub("", message)
    if step.tls and (why := _tls_problem(message, *step.tls)):
        raise Unusable(why)
    where = _WHERE.search(message)
    if where is None:
        raise Unusable(f"cannot use {step.files[0].path}: {message}")
    for file in step.files:
        if str(file.path) == where["path"]:
            line = file.text.splitlines()[int(where["line"]) - 1].strip()
            raise Unusable(f"cannot use {file.path}, from {file.source}: {message[: where.start()]}; it says: {line}")
    raise Unusable(f"cannot use {where['path']}: {message[: where.start()]} in line {where['line']}")


def _tls_problem(message: str, certificate: PurePath, key: PurePath) -> str | None:
    """Return what is wrong with the user's files if nginx's message is about them: it shows OpenSSL's own words."""
    named_certificate, named_key = f"NGINX_TLS_CERTIFICATE={certificate}", f"NGINX_TLS_KEY={key}"
    if "key values mismatch" in message and f'"{key}"' in message:
        return f"cannot use {named_key}: it is not the key of {named_certificate}; set both to one pair"
    if message.startswith(f'cannot load certificate key "{key}"'):
        if "password" in message or "passphrase" in message:
            return f"cannot use {named_key}: it is encrypted; write it without: openssl pkey -in {key} -out FILE"
        return f"cannot use {named_key}: it is not a private key in PEM format"
    if message.startswith(f'cannot load certificate "{certificate}"'):
        return f"cannot use {named_certificate}: it is not a certificate in PEM format"
    return None


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


def _run(command: tuple[str, ...], environment: Mapping[str, str], stops: StopRequests) -> tuple[int, str]:
    """Run a command; return its exit status and its output. Raises NotRunnable, TimedOut, or Stopped after a signal."""
    output, written = os.pipe()
    # The command may run as another user, which must be able to open its /dev/stdout.
    os.fchmod(written, 0o666)
    with os.fdopen(output, "rb", buffering=0) as stream:
        try:
            # Without a terminal, where OpenSSL would ask for the pass phrase of an encrypted key.
            process = subprocess.Popen(  # noqa: S603 -- the plan's own command, no shell
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=written,
                start_new_session=True,
            )
        except OSError as error:
            raise NotRunnable(f"cannot run {command[0]}: {error.strerror}") from error
        finally:
            os.close(written)
        try:
            said = b"".join(_read_to_the_end(stream, stops, f"run {' '.join(command)}"))
        except EntrypointError:
            process.kill()
            raise
        finally:
            process.wait()
    return process.returncode, said.decode(errors="backslashreplace")


def _read_to_the_end(stream: io.RawIOBase, stops: StopRequests, doing: str) -> Iterator[bytes]:
    """Yield the output of a command until it ends. Raises TimedOut, Stopped."""
    deadline = time.monotonic() + _TIMEOUT
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
    raise TimedOut(f"cannot {doing}: it did not end within {_TIMEOUT:g} s")
