"""The agent: loads the application once, reports its facts, then carries out boot's requests until the socket closes.

`entrypoint/protocol/agent.py` defines the messages; the other end is `entrypoint/boot/effects/processes/agent.py`.
"""

import gc
import os
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from entrypoint.app import project
from entrypoint.app.reporting import AgentError, Progress, last_line
from entrypoint.protocol.agent import (
    AgentResult,
    CapacityRequest,
    CheckRequest,
    CollectStaticRequest,
    ErrorReport,
    HookDoneRequest,
    HookDueRequest,
    Message,
    MigrateRequest,
    ProgressReport,
    RepairRequest,
    SuperuserRequest,
    WaitRequest,
    decode,
    encode,
)


def main(descriptor: int) -> NoReturn:
    """Serve one boot over the socket `descriptor`, then exit."""
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rb") as stream:

        def send(message: Message) -> None:
            try:
                connection.sendall(encode(message))
            except OSError:
                os._exit(1)  # boot is gone, so no work is left

        def attempt(action: Callable[[], Message]) -> bool:
            """Send what the action returns, or the error that it raises; return whether it succeeded."""
            try:
                send(action())
            except AgentError as error:
                send(ErrorReport(text=str(error), kind=error.kind, hint=error.hint))
                return False
            except Exception as error:  # noqa: BLE001 -- the application's code may raise anything, and boot reports it
                from entrypoint.app.application_traceback import application_traceback  # noqa: PLC0415 -- needs Django

                sys.stderr.write(application_traceback(error) or traceback.format_exc())
                send(ErrorReport(text=last_line(error), kind="failed"))
                return False
            return True

        def progress(text: str, done: int | None = None, total: int | None = None) -> None:
            send(ProgressReport(text, done, total))

        if attempt(project.load_settings) and attempt(project.load_apps):
            gc.freeze()
            gc.enable()
            for line in stream:
                attempt(lambda: _carry_out(decode(line), progress))  # noqa: B023 -- called at once
    # A regular exit of the interpreter would cost the boot 30 ms, and there is nothing to clean up.
    os._exit(0)


def _carry_out(request: Message, progress: Progress) -> AgentResult:
    # Only now is Django known to be installed.
    from entrypoint.app import checks, once, superuser  # noqa: PLC0415
    from entrypoint.app.databases import capacity, database  # noqa: PLC0415
    from entrypoint.app.migrations import repair, run  # noqa: PLC0415
    from entrypoint.app.static import static  # noqa: PLC0415

    actions: Mapping[type[Message], Callable[[Any, Progress], AgentResult]] = {
        WaitRequest: database.wait,
        MigrateRequest: run.migrate,
        SuperuserRequest: superuser.keep,
        CollectStaticRequest: static.collect,
        CheckRequest: checks.check,
        CapacityRequest: capacity.examine,
        RepairRequest: repair.repair,
        HookDueRequest: once.begin,
        HookDoneRequest: once.finish,
    }
    return actions[type(request)](request, progress)
