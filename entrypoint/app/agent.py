"""The agent: loads the application once and reports its facts, then does what boot asks until the socket closes.

The messages are described at its other half, `entrypoint/boot/effects/agent.py`.
"""

import gc
import json
import os
import socket
import traceback
from collections.abc import Callable, Mapping
from typing import NoReturn

from entrypoint.app import project
from entrypoint.app.answer import Changed
from entrypoint.app.failure import Failure


def main(descriptor: int) -> NoReturn:
    """Serve one boot over the socket `descriptor`, then leave."""
    with (
        socket.socket(fileno=descriptor) as connection,
        connection.makefile("rw", encoding="utf-8") as stream,
    ):

        def send(**message: object) -> None:
            try:
                stream.write(json.dumps(message) + "\n")
                stream.flush()
            except OSError:
                os._exit(1)  # boot is gone: nobody is left to work for

        def attempt(action: Callable[[], object]) -> bool:
            """Answer with what the action returns, or with how it failed."""
            try:
                done = action()
                send(done=done, changed=isinstance(done, Changed))
            except Failure as failure:
                send(failed=str(failure), kind=failure.kind, mend=failure.mend)
                return False
            except Exception as error:  # noqa: BLE001 -- the application's own code may raise anything, and boot tells it
                traceback.print_exc()
                send(failed=last_line(error), kind="failed", mend="")
                return False
            return True

        def progress(text: str, count: int | None = None, of: int | None = None) -> None:
            send(progress=text, **({} if count is None else {"count": count, "of": of}))

        if attempt(project.load_settings) and attempt(project.load_apps):
            gc.freeze()
            gc.enable()
            commands = _commands()
            for line in stream:
                request = json.loads(line)
                command = commands[request.pop("do")]
                attempt(lambda: command(progress=progress, **request))  # noqa: B023 -- called at once
    # Nothing is left to clean up, and an interpreter that takes leave in full costs the boot 30 ms.
    os._exit(0)


def _commands() -> Mapping[str, Callable[..., str]]:
    from entrypoint.app import checks, database, migrations, repair, static, superuser  # noqa: PLC0415 -- Django is known to be there only now

    return {
        "wait": database.wait,
        "migrate": migrations.migrate,
        "superuser": superuser.keep,
        "collectstatic": static.collect,
        "check": checks.check,
        "repair": repair.repair,
    }


def last_line(error: BaseException) -> str:
    """Return an exception as the end of its traceback says it, in one line."""
    return " ".join(traceback.format_exception_only(error)[-1].split())
