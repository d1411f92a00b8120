"""Runs the pre-stop hooks one after the other, while supervisord continues."""

import os
import signal
from collections.abc import Callable

from entrypoint.output.lines import Lines
from entrypoint.protocol.supervision import Identity, PreStopHook
from entrypoint.supervision import signals
from entrypoint.supervision.handover import Current
from entrypoint.supervision.internals import Supervisord, switch_user

_CANNOT_RUN = 126

Write = Callable[[str, list[bytes]], None]


class Hooks:
    """At most one hook runs at a time. A failure is logged, and the next hook runs."""

    def __init__(self, current: Current, supervisord: Supervisord, write: Write) -> None:
        """`write` takes the name of a hook in the log, and lines that it wrote."""
        self._current = current
        self._left: list[PreStopHook] = []
        self._supervisord = supervisord
        self._write = write
        self._name = ""
        self._pid = 0
        self._fd = -1
        self._lines = Lines()

    @property
    def running(self) -> bool:
        """Whether a hook is running."""
        return bool(self._pid)

    def start(self) -> None:
        """Start the first hook that can be started, if any. The others follow one after the other."""
        self._left = list(self._current.config.pre_stop)
        self._next()

    def _next(self) -> None:
        while self._left and not self._pid:
            hook = self._left.pop(0)
            self._name = f"pre-stop {hook.name}"
            try:
                self._spawn(hook)
            except OSError as error:
                self._supervisord.critical(f"cannot run {self._name}: {error.strerror}")

    def ended(self, pid: int, wait_status: int) -> None:
        """Continue with the next hook if `pid` is the running one, which has ended."""
        if pid != self._pid:
            return
        self._pid = 0
        code = os.waitstatus_to_exitcode(wait_status)
        if code:
            how = f"exit status {code}" if code > 0 else f"killed by signal {-code}"
            self._supervisord.critical(f"{self._name} failed ({how}): continuing the stop")
        self._read()
        self._close()
        self._next()

    def kill(self) -> None:
        """Kill the running hook and its children, and start no other."""
        self._left.clear()
        if self._pid:
            os.killpg(self._pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill the running hook and close its output."""
        self.kill()
        self._close()

    def _spawn(self, hook: PreStopHook) -> None:
        read, write = os.pipe()
        os.set_blocking(read, False)
        os.fchmod(write, 0o666)  # a hook of another user may open /dev/stdout
        environments = self._current.environments
        try:
            if hook.identity:
                self._pid = self._fork(hook, hook.identity, write)
            else:
                environment = environments.root if hook.as_root else environments.programs
                self._pid = signals.spawn(hook.command, environment, output=write)
        except OSError:
            os.close(read)
            raise
        finally:
            os.close(write)
        self._fd, self._lines = read, Lines()
        self._supervisord.watch(read, self._read)

    def _fork(self, hook: PreStopHook, identity: Identity, output: int) -> int:
        """Start a hook as another user; return its PID. Raises OSError."""
        if pid := signals.fork():
            return pid
        try:
            os.setpgid(0, 0)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            switch_user(identity)
            os.execve(hook.command[0], hook.command, self._current.environments.programs)  # noqa: S606 - as posix_spawn
        except OSError as error:
            os.write(output, f"cannot run {hook.command[0]}: {error.strerror}\n".encode())
        finally:
            os._exit(_CANNOT_RUN)

    def _read(self) -> None:
        while self._fd >= 0:
            try:
                data = os.read(self._fd, 65536)
            except BlockingIOError:
                return
            if not data:
                self._close()
                return
            self._write(self._name, self._lines.feed(data))

    def _close(self) -> None:
        if self._fd < 0:
            return
        self._supervisord.unwatch(self._fd)
        os.close(self._fd)
        self._fd = -1
        self._write(self._name, self._lines.end())
