"""Compresses static files ahead, in a process of the user who owns them."""

import os
import subprocess
from contextlib import suppress
from typing import Final

from entrypoint.boot.effects.processes.signals import StopRequests
from entrypoint.boot.plan.steps import Compress
from entrypoint.boot.trust.accounts import is_root
from entrypoint.errors import NotAllowed, StepFailed, Stopped, Unusable

_STOP_CHECKED_EVERY: Final = 0.2  # seconds


def compress(step: Compress, stops: StopRequests) -> str:
    """Return what was compressed, in one line. Raises Unusable, NotAllowed, StepFailed, Stopped."""
    try:
        owner = os.stat(step.folder)  # noqa: PTH116 -- a PurePath
    except OSError as error:
        hint = "; collect the static files first" if isinstance(error, FileNotFoundError) else ""
        raise Unusable(f"cannot compress the files in {step.folder}: {error.strerror}{hint}") from error
    switches = is_root() and owner.st_uid != 0
    python = step.own_python if is_root() and not switches else step.python
    process = subprocess.Popen(  # noqa: S603 -- no shell
        [str(python), "-I", str(step.script), str(step.folder)],
        env=step.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        user=owner.st_uid if switches else None,
        group=owner.st_gid if switches else None,
        extra_groups=[] if switches else None,
    )
    output, errors = _communicate(process, stops)
    if process.returncode == 0:
        return output.strip()
    lines = errors.strip().splitlines() or ["it ended without a message"]
    if process.returncode == NotAllowed.exit_code:
        raise NotAllowed(lines[-1])
    raise StepFailed(f"cannot compress the files in {step.folder}: {lines[-1]}", abs(process.returncode))


def _communicate(process: "subprocess.Popen[str]", stops: StopRequests) -> tuple[str, str]:
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=_STOP_CHECKED_EVERY)
        try:
            stops.check()
        except Stopped:
            process.kill()
            process.communicate()
            raise
