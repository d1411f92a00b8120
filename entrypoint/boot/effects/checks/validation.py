"""Validate configuration files with the programs that read them: nginx, and supervisord's own parser."""

import io
import re
import tempfile
from contextlib import redirect_stderr
from typing import Final

from entrypoint.boot.effects.command import captured
from entrypoint.boot.effects.signals import StopRequests
from entrypoint.boot.plan.check_steps import ValidateNginx, ValidateSupervisord
from entrypoint.errors import Unusable

_FILE: Final = re.compile(r" \(file: '(?P<path>[^']+)'\)")
_TIMEOUT: Final = 60.0  # seconds


def validate_nginx(step: ValidateNginx, stops: StopRequests) -> None:
    """Run `nginx -t`. Raises Unusable with nginx's message, the line that it is about and the remedy."""
    status, output = captured(step.command, step.environment, stops, seconds=_TIMEOUT)
    if status:
        from entrypoint.boot.effects.checks.nginx_fault import nginx_fault  # noqa: PLC0415 -- needed only for an error

        raise Unusable(nginx_fault(output, step))


def validate_supervisord(step: ValidateSupervisord) -> None:
    """Let supervisord's parser read its configuration. Raises Unusable with its message."""
    from supervisor.options import ServerOptions  # noqa: PLC0415 -- 50 ms in which nginx could serve already

    # The parser looks for a folder for temporary files, which a read-only container may lack. It writes nothing there.
    tempfile.tempdir = str(step.file.path.parent)
    options = ServerOptions()
    output = io.StringIO()
    options.stderr = options.stdout = output
    try:
        with redirect_stderr(output):
            options.realize(["-c", str(step.file.path)])
    except (ValueError, SystemExit) as error:
        why = (output.getvalue().strip().splitlines() or [str(error)])[0].removeprefix("Error: ")
        found = _FILE.search(why)
        if found and found["path"] != str(step.file.path):
            raise Unusable(f"cannot use {found['path']}: {_FILE.sub('', why)}") from error
        raise Unusable(f"cannot use {step.file.path}, from {step.file.source}: {why}") from error
