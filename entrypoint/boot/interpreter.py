"""The start of the agent's interpreter: by itself, or ahead of the settings that say for whom it is.

What boot has to import before it can read its settings takes nearly as long as Django's own imports, the same for every
project. So a plain start begins with both, side by side: what is imported here is little, and of the standard library.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

AHEAD: Final = "ahead"
"""The word on its command line for one that waits for its orders."""
_MAIN: Final = str(Path(__file__).resolve().parent.parent / "app" / "__main__.py")
_NAMED: Final = ("ENTRYPOINT_PYTHON", "VIRTUAL_ENV")
_READ_AT_ITS_START: Final = ("PYTHON", "LANG", "LC_", "LD_", "GLIBC_", "MALLOC_")
_UNBUFFERED: Final = {"PYTHONUNBUFFERED": "1"}


class Interpreter(NamedTuple):
    """One that runs."""

    process: "subprocess.Popen[bytes]"
    socket: socket.socket
    output: int  # the descriptor that what it prints is read from


def start(words: Sequence[str], more: Sequence[str] = (), **how: Any) -> Interpreter:  # noqa: ANN401 -- what Popen takes
    """Start the agent by the words of an interpreter, `more` words behind its own. Raises OSError."""
    ours, theirs = socket.socketpair()
    output, written = os.pipe()
    os.fchmod(written, 0o666)  # a project may open /dev/stdout, as another user than we are
    try:
        process = subprocess.Popen(  # noqa: S603 -- the interpreter is the application's, the script ours
            [*words, _MAIN, str(theirs.fileno()), *more],
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,  # a Ctrl-C in the terminal is ours to pass on
            **how,
        )
    except OSError:
        ours.close()
        os.close(output)
        raise
    finally:
        theirs.close()
        os.close(written)
    return Interpreter(process, ours, output)


class HeadStart:
    """One that imports Django until it is told who needs it, as a context: where nobody does, it is ended."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Begin, where that will probably be of use: in a Django project, run by our own interpreter."""
        self._environ = {**_UNBUFFERED, **environ}
        self._begun: Interpreter | None = None
        place = environ.get("ENTRYPOINT_APP_DIR") or "."
        if any(environ.get(name) for name in _NAMED) or os.path.lexists(f"{place}/.venv"):
            return
        if os.path.isfile(f"{place}/manage.py"):  # noqa: PTH113 -- Path.is_file raises where the name is too long
            with suppress(OSError):  # why none can be started is told when it is needed
                # Without the packages in its user's home: it is not known yet whose.
                self._begun = start((sys.executable, "-P", "-s"), (AHEAD,), env=self._environ, cwd="/")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._begun:
            self._begun.process.send_signal(signal.SIGKILL)
            self._begun.process.wait()
            self._begun.socket.close()
            os.close(self._begun.output)
            self._begun = None

    def take(
        self, python: str, directory: str, environment: Mapping[str, str], ids: Sequence[Any] | None
    ) -> Interpreter | None:
        """Send it to work in that directory and environment, with those `ids`: user, group and groups, None for ours.

        Return it, None where it is not what `python` would be if it were started so.
        """
        home = environment.get("HOME") or "/"
        same = python == sys.executable and _of_its_start(environment) == _of_its_start(self._environ)
        if self._begun is None or not same or os.path.lexists(f"{home}/.local/lib"):
            return None
        orders = {"directory": directory, "environment": dict(environment), "ids": ids}
        try:
            self._begun.socket.sendall(json.dumps(orders).encode() + b"\n")
        except OSError:  # it was killed
            return None
        begun, self._begun = self._begun, None
        return begun


def _of_its_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_READ_AT_ITS_START)}
