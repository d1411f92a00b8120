"""Compress static files ahead, in a process of the user who owns them.

The application chooses the folder, so it may be any folder. Therefore the application's interpreter runs only as the
application's user, without its other groups. In a folder of another user, our own interpreter compresses, if root
trusts the folder.
"""

import os
from dataclasses import replace
from typing import Final

from entrypoint.boot.effects.command import captured
from entrypoint.boot.effects.signals import StopRequests
from entrypoint.boot.plan.steps import Compress
from entrypoint.boot.trust.accounts import look_up
from entrypoint.boot.trust.trust import Trust
from entrypoint.errors import NotAllowed, StepFailed, Unusable
from entrypoint.processes.endings import exit_code

_LONGEST: Final = 24 * 3600.0  # seconds


def compress(step: Compress, stops: StopRequests, trust: Trust) -> str:
    """Return what was compressed, in one line. Raises Unusable, NotAllowed, NotRunnable, StepFailed, Stopped."""
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
    command = (str(python), "-I", str(step.script), str(step.folder))
    account = replace(account, groups=()) if account else None
    code, output = captured(command, step.environment, stops, seconds=_LONGEST, account=account)
    if code == 0:
        return output.strip()
    last = (output.strip().splitlines() or ["it ended without a message"])[-1]
    if code == NotAllowed.exit_code:
        raise NotAllowed(last)
    raise StepFailed(f"cannot compress the files in {step.folder}: {last}", exit_code(code))
