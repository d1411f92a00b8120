"""The application's agent, seen from boot: one process in the application's interpreter, asked over a socket.

Each message is one line of JSON. It begins with two answers that nobody asked for: what the settings say, and what the
apps say once they are loaded. We send `{"do": NAME, ...}`; it answers with any number of `{"progress": TEXT}`, which
have `count` and `of` where it counts, and then one `{"done": TEXT, "changed": BOOL}` or one
`{"failed": TEXT, "kind": KIND, "mend": TEXT}`. Its other half is `entrypoint/app/agent.py`.
"""

import json
import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from entrypoint.boot.effects.signals import StopRequests
from entrypoint.boot.facts.application import Application
from entrypoint.boot.facts.machine import Machine
from entrypoint.errors import EntrypointError, NotAllowed, NotRunnable, StepFailed, TimedOut, Unusable
from entrypoint.secret import Secret

_MAIN: Final = str(Path(__file__).resolve().parents[2] / "app" / "__main__.py")
_GRACE: Final = 5.0  # seconds that a stopped agent has to end what it is doing
_KINDS: Final[Mapping[str, type[EntrypointError]]] = {
    "not allowed": NotAllowed,
    "timed out": TimedOut,
}

Tell = Callable[[str, str], None]


class Answer(NamedTuple):
    """What came of a step."""

    done: str
    changed: bool  # whether it changed what an application that was loaded before it has read


class Interpreter(NamedTuple):
    """The application's interpreter, which runs the agent."""

    process: "subprocess.Popen[bytes]"
    socket: socket.socket
    output: int  # the descriptor from which we read what it prints


def start(machine: Machine, environment: Mapping[str, str], *, write_bytecode: bool = True) -> Interpreter:
    """Start the agent as the application's user. Raises NotRunnable where its interpreter cannot be run."""
    account = machine.account
    ours, theirs = socket.socketpair()
    output, written = os.pipe()
    os.fchmod(written, 0o666)  # a project may open /dev/stdout, as another user than we are
    try:
        process = subprocess.Popen(  # noqa: S603 -- the interpreter is the application's, the script ours
            [str(machine.python), "-P", *([] if write_bytecode else ["-B"]), _MAIN, str(theirs.fileno())],
            cwd=machine.app_dir,
            env=dict(environment),
            user=account.uid if machine.root else None,
            group=account.gid if machine.root else None,
            extra_groups=account.groups if machine.root else None,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,  # a Ctrl-C in the terminal is ours to pass on
        )
    except OSError as error:
        ours.close()
        os.close(output)
        raise NotRunnable(f"cannot run {machine.python} as {account}: {error.strerror}") from error
    finally:
        theirs.close()
        os.close(written)
    return Interpreter(process, ours, output)


class Agent:
    """The running agent, as a context: start it early, for what it imports is what takes the time."""

    def __init__(self, interpreter: Interpreter, tell: Tell, stops: StopRequests | None = None) -> None:
        """Be the other end of what runs. `tell(name, line)` gets what it prints; `stops` interrupts each wait."""
        self._process, self._socket, self._output = interpreter
        self._tell = tell
        self._stops = stops
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._selector.register(self._output, selectors.EVENT_READ)
        if stops:
            self._selector.register(stops, selectors.EVENT_READ)
        self._settings: Application | None = None
        self._messages = b""
        self._printed = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """End it: at once where something went wrong, for the database undoes what it leaves half done."""
        if error is not None and self._socket.fileno() >= 0:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
        self.close()

    def close(self) -> None:
        """Let it go: nothing is left to be asked."""
        if self._socket.fileno() < 0:
            return
        self._socket.close()  # what it waits for has ended, so it goes
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        os.set_blocking(self._output, False)  # a process that the application left behind may hold the other end open
        with suppress(BlockingIOError):
            while self._relay_output():
                pass
        os.close(self._output)
        self._selector.close()

    def settings(self) -> Application:
        """Return what the settings say; it reports that by itself, first of all. Raises what `ask` raises."""
        if self._settings is None:
            self._settings = Application.parse(self._answer("load the application", None)["done"])
        return self._settings

    def application(self) -> Application:
        """Return all facts, once Django stands; it reports that by itself, too. To be called once, before `ask`."""
        return self.settings().with_apps(self._answer("load the application", None)["done"])

    def ask(
        self,
        do: str,
        arguments: Mapping[str, Any],
        seconds: float | None = None,
        count: Callable[[int, int], None] = lambda _done, _of: None,
    ) -> Answer:
        """Have it do one thing, within `seconds`; return what came of it. `count` is told how much of it is done.

        Raises Unusable, NotAllowed, TimedOut or StepFailed as it says, Stopped when a stop was asked for meanwhile.
        """
        try:
            self._socket.sendall(json.dumps({"do": do, **arguments}, default=_reveal).encode() + b"\n")
        except ConnectionError:
            raise self._ended(do) from None
        answer = self._answer(do, seconds, count)
        return Answer(answer["done"], answer.get("changed", False))

    def _answer(
        self, doing: str, seconds: float | None, count: Callable[[int, int], None] = lambda _done, _of: None
    ) -> Mapping[str, Any]:
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            message = self._next_message(doing, deadline)
            if "progress" in message:
                self._tell("application", message["progress"])
                if "of" in message:
                    count(message["count"], message["of"])
            elif "failed" in message:
                raise _failure(**message)
            else:
                return message

    def _next_message(self, doing: str, deadline: float | None) -> Mapping[str, Any]:
        while b"\n" not in self._messages:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise TimedOut(f"cannot {doing}: the application gave no answer in time")
            for key, _ in self._selector.select(left):
                if key.fileobj is self._socket:
                    self._receive(doing)
                elif key.fileobj == self._output:
                    self._relay_output()
                elif self._stops:
                    self._stops.check()
        line, _, self._messages = self._messages.partition(b"\n")
        message: Mapping[str, Any] = json.loads(line)
        return message

    def _receive(self, doing: str) -> None:
        try:
            data = self._socket.recv(65536)
        except ConnectionError:  # it ended before it had read what we sent
            data = b""
        self._messages += data
        if not data:
            raise self._ended(doing)

    def _ended(self, doing: str) -> StepFailed:
        """Return how the process ended, which nobody has asked to."""
        try:
            code = self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:  # the application has closed the socket: nobody can ask it any more
            return StepFailed(f"cannot {doing}: its process closed the connection", 1)
        how = f"was ended by {_signal_name(-code)}" if code < 0 else f"ended with exit status {code}"
        return StepFailed(f"cannot {doing}: its process {how}", 128 - code if code < 0 else code)

    def _relay_output(self) -> bool:
        """Pass on what it printed, whole lines; return whether there may be more."""
        data = os.read(self._output, 65536)
        *lines, self._printed = (self._printed + data).split(b"\n")
        if not data:
            if self._output in self._selector.get_map():
                self._selector.unregister(self._output)
            lines, self._printed = ([self._printed] if self._printed else []), b""
        for line in lines:
            self._tell("application", line.decode(errors="backslashreplace"))
        return bool(data)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal, of which the first and the last alone have names
        return f"signal {number}"


def _failure(*, failed: str, kind: str, mend: str) -> EntrypointError:
    if kind == "unusable":
        return Unusable(failed, *filter(None, [mend]))
    return _KINDS[kind](failed) if kind in _KINDS else StepFailed(failed, 1)


def _reveal(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(type(value))
