"""Compresses static files ahead, in a process of the user who owns them.

The application names the folder, so whoever controls it could name any. Therefore the application's interpreter runs as
the application's user alone, with that user's group; a folder of another user must be one that root trusts, and ours
compresses it. The process gets no terminal: its user could type into the shell that root has called us from.
"""

import os
import subprocess
from contextlib import suppress
from typing import Final

from entrypoint.boot.effects.signals import StopRequests
from entrypoint.boot.plan.steps import Compress
from entrypoint.boot.trust.accounts import look_up
from entrypoint.boot.trust.trust import Trust
from entrypoint.errors import NotAllowed, StepFailed, Stopped, Unusable

_STOP_CHECKED_EVERY: Final = 0.2  # seconds


def compress(step: Compress, stops: StopRequests, trust: Trust) -> str:
    """Return what was compressed, in one line. Raises Unusable, NotAllowed, StepFailed, Stopped."""
    try:
        owner = os.stat(step.folder)  # noqa: PTH116 -- a PurePath
    except OSError as error:
        hint = "; collect the static files first" if isinstance(error, FileNotFoundError) else ""
        raise Unusable(f"cannot compress the files in {step.folder}: {error.strerror}{hint}") from error
    python, account = step.python, step.account
    if account and owner.st_uid != account.uid:
        if fault := trust.fault(step.folder):
            raise NotAllowed(f"cannot compress the files in {step.folder}: uid {owner.st_uid} owns it, and {fault}")
        python, account = step.own_python, look_up(str(owner.st_uid))
    process = subprocess.Popen(  # noqa: S603 -- no shell
        [str(python), "-I", str(step.script), str(step.folder)],
        env=step.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        start_new_session=True,
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
