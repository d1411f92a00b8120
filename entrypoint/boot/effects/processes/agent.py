"""The client of the agent, which runs in the application's interpreter. Both speak over a socket.

`entrypoint/protocol/agent.py` defines the messages; the other end is `entrypoint/app/agent.py`.
"""

import errno
import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Final, NamedTuple, Self, TypeVar

from entrypoint.boot.effects.signals import StopRequests
from entrypoint.boot.facts.machine import Machine
from entrypoint.boot.facts.reach import obstacle
from entrypoint.boot.trust.accounts import MAY_SWITCH
from entrypoint.errors import EntrypointError, NotAllowed, NotRunnable, StepFailed, TimedOut, Unusable
from entrypoint.output import log
from entrypoint.output.lines import Lines
from entrypoint.output.log import Tell, printable
from entrypoint.processes.endings import exit_code, signal_name
from entrypoint.protocol.agent import (
    AgentResult,
    Application,
    AppsReport,
    ErrorKind,
    ErrorReport,
    Message,
    ProgressReport,
    Request,
    decode,
    encode,
)

_MAIN: Final = str(Path(__file__).resolve().parents[3] / "app" / "__main__.py")
_NO_SCRIPT: Final = 2  # Python's exit status if it cannot open the script
_REACH: Final = "install it where {account} can reach it and set ENTRYPOINT_PYTHON, or set ENTRYPOINT_USER"
_GRACE: Final = 5.0  # seconds that a stopped agent has to exit
_KINDS: Final[Mapping[ErrorKind, Callable[[str], EntrypointError]]] = {
    "unusable": Unusable,
    "not allowed": NotAllowed,
    "timed out": TimedOut,
    "failed": lambda text: StepFailed(text, 1),
}

_FEW: Final = 10  # pieces of work, each of which is worth a line

Count = Callable[[int, int], None]
Reply = TypeVar("Reply", Application, AppsReport, AgentResult)


class Interpreter(NamedTuple):
    """The application's interpreter, which runs the agent."""

    process: "subprocess.Popen[bytes]"
    socket: socket.socket
    output: int  # the descriptor from which its output is read
    unreadable: str = ""  # why it cannot read our script, where the modes of the folders say so


def start(machine: Machine, environment: Mapping[str, str], *, write_bytecode: bool = True) -> Interpreter:
    """Start the agent as the application's user. Raises NotRunnable, or NotAllowed where root may not switch to it."""
    account = machine.account
    ours, theirs = socket.socketpair()
    output, written = os.pipe()
    os.fchmod(written, 0o666)  # the project may open /dev/stdout as its own user
    os.set_blocking(output, False)  # it may read there what we were about to read
    try:
        process = subprocess.Popen(  # noqa: S603 -- the application's interpreter runs our script
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
            start_new_session=True,  # so that Ctrl-C in the terminal reaches boot alone
        )
    except OSError as error:
        ours.close()
        os.close(output)
        if machine.root and error.errno == errno.EPERM:  # of setuid(2) or setgroups(2); execve(2) has EACCES
            raise NotAllowed(f"cannot run the application as {account}: {error.strerror}; {MAY_SWITCH}") from error
        closed = obstacle(machine.python, account) if machine.root else ""
        hint = f" ({closed}); {_REACH.format(account=account)}" if closed else ""
        raise NotRunnable(f"cannot run {machine.python} as {account}: {error.strerror}{hint}") from error
    finally:
        theirs.close()
        os.close(written)
    closed = obstacle(PurePath(_MAIN), account, os.R_OK) if machine.root else ""
    unreadable = f"{account} cannot read {_MAIN}: {closed}; {_REACH.format(account=account)}" if closed else ""
    return Interpreter(process, ours, output, unreadable)


class Agent:
    """The connection to a running agent, as a context manager that ends it."""

    def __init__(self, interpreter: Interpreter, tell: Tell, stops: StopRequests | None = None) -> None:
        """`tell(name, line)` logs what the agent prints; `stops` interrupts each wait."""
        self._process, self._socket, self._output, self._unreadable = interpreter
        self._tell = tell
        self._stops = stops
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._selector.register(self._output, selectors.EVENT_READ)
        if stops:
            self._selector.register(stops, selectors.EVENT_READ)
        self._settings: Application | None = None
        self._messages = b""
        self._lines = Lines()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """End the agent: at once after an error, because the database rolls back what is half done."""
        if error is not None and self._socket.fileno() >= 0:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
        self.close()

    def close(self) -> None:
        """Let the agent exit, and pass on the rest of its output."""
        if self._socket.fileno() < 0:
            return
        self._socket.close()  # at which the agent exits
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._relay_output()  # only once: the application may have left a process that writes on
        self._log(self._lines.end())
        os.close(self._output)
        self._selector.close()

    def settings(self) -> Application:
        """Return the facts from the settings, which the agent sends first of all. Raises what `ask` raises."""
        if self._settings is None:
            self._settings = self._reply(Application, "load the application")
        return self._settings

    def application(self) -> Application:
        """Return all facts, once the apps are loaded. To be called once, before `ask`. Raises what `ask` raises."""
        return self.settings().with_apps(self._reply(AppsReport, "load the application"))

    def ask(self, name: str, request: Request, seconds: float | None = None, count: Count | None = None) -> AgentResult:
        """Send the request and return its result, within `seconds`; `name` is its verb in error messages.

        `count(done, total)` is called for each report of counted progress. Raises Unusable, NotAllowed, TimedOut or
        StepFailed as the agent reports it, Stopped when a stop is requested meanwhile.
        """
        try:
            self._socket.sendall(encode(request))
        except ConnectionError:
            raise self._ended(name) from None
        return self._reply(AgentResult, name, seconds, count)

    def _reply(
        self, expected: type[Reply], doing: str, seconds: float | None = None, count: Count | None = None
    ) -> Reply:
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            message = self._next_message(doing, deadline)
            if isinstance(message, AgentResult | ProgressReport):
                message = message._replace(text=printable(message.text))
            if isinstance(message, expected):
                return message
            if isinstance(message, ErrorReport):
                error = _KINDS[message.kind](message.text)
                raise Unusable(message.text, message.hint) if message.hint else error
            if not isinstance(message, ProgressReport):
                raise self._unintelligible(doing)
            between = message.total is not None and message.total > _FEW and message.done != message.total
            self._tell("application", message.text, log.PROGRESS if between else "info")
            if count and message.done is not None and message.total is not None:
                count(message.done, message.total)

    def _next_message(self, doing: str, deadline: float | None) -> Message:
        while b"\n" not in self._messages:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise TimedOut(f"cannot {doing}: the application did not answer in time")
            for key, _ in self._selector.select(left):
                if key.fileobj is self._socket:
                    self._receive(doing)
                elif key.fileobj == self._output:
                    self._relay_output()
                elif self._stops:
                    self._stops.check()
        line, _, self._messages = self._messages.partition(b"\n")
        try:
            return decode(line)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise self._unintelligible(doing) from error

    @staticmethod
    def _unintelligible(doing: str) -> StepFailed:
        """Return the error for a message that the agent does not send: the application can write to its socket."""
        return StepFailed(f"cannot {doing}: its process sent an invalid answer", 1)

    def _receive(self, doing: str) -> None:
        try:
            data = self._socket.recv(65536)
        except ConnectionError:  # it ended before it read the request
            data = b""
        self._messages += data
        if not data:
            raise self._ended(doing)

    def _ended(self, doing: str) -> StepFailed:
        """Return the error for an agent that ended by itself."""
        try:
            code = self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:  # the application has closed the socket
            return StepFailed(f"cannot {doing}: its process closed the connection", 1)
        if code == _NO_SCRIPT and self._unreadable:
            return StepFailed(f"cannot {doing}: {self._unreadable}", code)
        how = f"was killed by {signal_name(-code)}" if code < 0 else f"exited with status {code}"
        return StepFailed(f"cannot {doing}: its process {how}", exit_code(code))

    def _relay_output(self) -> None:
        """Log what the agent printed, in whole lines."""
        with suppress(BlockingIOError):  # the application has read it
            data = os.read(self._output, 65536)
            if not data and self._output in self._selector.get_map():
                self._selector.unregister(self._output)
            self._log(self._lines.feed(data))

    def _log(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            self._tell("application", line.decode(errors="backslashreplace"))
