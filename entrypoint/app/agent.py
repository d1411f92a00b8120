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
from entrypoint.protocol import agent as messages


def main(descriptor: int) -> NoReturn:
    """Serve one boot over the socket `descriptor`, then exit."""
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rb") as stream:

        def send(message: messages.Message) -> None:
            try:
                connection.sendall(messages.encode(message))
            except OSError:
                os._exit(1)  # boot is gone, so no work is left

        def attempt(action: Callable[[], messages.Message]) -> bool:
            """Send what the action returns, or the error that it raises; return whether it succeeded."""
            try:
                send(action())
            except AgentError as error:
                send(messages.ErrorReport(text=str(error), kind=error.kind, hint=error.hint))
                return False
            except Exception as error:  # noqa: BLE001 -- the application's code may raise anything, and boot reports it
                from entrypoint.app.application_traceback import application_traceback  # noqa: PLC0415 -- needs Django

                # Without a frame of the application it may be a bug of the toolkit, so all frames are printed.
                sys.stderr.write(application_traceback(error) or traceback.format_exc())
                send(messages.ErrorReport(text=last_line(error), kind="failed"))
                return False
            return True

        def progress(text: str, done: int | None = None, total: int | None = None) -> None:
            send(messages.ProgressReport(text, done, total))

        if attempt(project.load_settings) and attempt(project.load_apps):
            gc.freeze()
            gc.enable()
            for line in stream:
                attempt(lambda: _carry_out(messages.decode(line), progress))  # noqa: B023 -- called at once
    # A regular exit of the interpreter would cost the boot 30 ms, and there is nothing to clean up.
    os._exit(0)


def _carry_out(request: messages.Message, progress: Progress) -> messages.AgentResult:
    # Only now is Django known to be installed.
    from entrypoint.app import checks, once, superuser  # noqa: PLC0415
    from entrypoint.app.databases import capacity, database  # noqa: PLC0415
    from entrypoint.app.migrations import repair, run  # noqa: PLC0415
    from entrypoint.app.static import static  # noqa: PLC0415

    actions: Mapping[type[messages.Message], Callable[[Any, Progress], messages.AgentResult]] = {
        messages.WaitRequest: database.wait,
        messages.MigrateRequest: run.migrate,
        messages.SuperuserRequest: superuser.keep,
        messages.CollectStaticRequest: static.collect,
        messages.CheckRequest: checks.check,
        messages.CapacityRequest: capacity.examine,
        messages.RepairRequest: repair.repair,
        messages.HookDueRequest: once.begin,
        messages.HookDoneRequest: once.finish,
    }
    return actions[type(request)](request, progress)
