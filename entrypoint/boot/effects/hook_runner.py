"""Running hooks, and a release: their lines told with their name, their time limited, what hooks export kept."""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from entrypoint import log
from entrypoint.boot.effects.signals import StopRequests
from entrypoint.boot.facts.hooks import Hook
from entrypoint.boot.settings.settings import setting_specs
from entrypoint.boot.settings.values import shown
from entrypoint.boot.trust.accounts import Account
from entrypoint.boot.trust.trust import Trust
from entrypoint.errors import NotRunnable, StepFailed, TimedOut
from entrypoint.log import Tell

if TYPE_CHECKING:
    from entrypoint.boot.plan.steps import Run, RunHooks

_GRACE: Final = 5.0  # seconds that a stopped hook has to end
_LONGEST_PAUSE: Final = 0.1  # seconds between two looks whether a hook that says no more has ended
_SHELLS_OWN: Final = frozenset({"PWD", "OLDPWD", "SHLVL", "_"})
_HANDED_ON: Final = frozenset({"DJANGO_SETTINGS_MODULE"})  # a setting that the application itself reads


class HookRunner:
    """Runs hooks, and holds what those that are sourced changed in the environment."""

    def __init__(self, tell: Tell, stops: StopRequests, trust: Trust) -> None:
        """`tell(name, line)` gets what they print; `stops` ends them; `trust` is what root may load."""
        self._tell = tell
        self._stops = stops
        self._trust = trust
        self._changes: dict[str, str | None] = {}  # None: removed
        self._changes_by_root: dict[str, str | None] = {}

    def changed(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return an environment with what the hooks so far exported, and without what they removed."""
        return _merged(environment, self._changes)

    def changed_for_root(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the same for what runs as root: only hooks that ran as root had a part in it."""
        return self._trust.environment(_merged(environment, self._changes_by_root))

    def run(self, step: "RunHooks") -> None:
        """Run the hooks of a step, one after the other.

        Raises StepFailed with a hook's own code, TimedOut, NotRunnable, Stopped.
        """
        for hook in step.hooks:
            self._stops.check()
            title, name = f"{step.when} hook {hook}", f"hook {shown(hook.path.stem)}"
            process = _Process(title, name, step, self._tell, self._stops)
            before = self._environment(step.environment, hook.account)
            if hook.sourced:
                self._keep(hook, before, _source(process, hook, before), self.changed(step.environment).get("PATH", ""))
            else:
                process.run(hook.command, before, account=hook.account)

    def run_alone(self, step: "Run") -> None:
        """Run the one command of a step, as hooks are run. Raises what `run` raises."""
        process = _Process(step.name, step.name, step, self._tell, self._stops)
        process.run(step.command, self._environment(step.environment, step.account), account=step.account)

    def _environment(self, environment: Mapping[str, str], account: Account | None) -> dict[str, str]:
        by_root = account is None or account.uid == 0
        return self.changed_for_root(environment) if by_root else self.changed(environment)

    def _keep(self, hook: Hook, before: Mapping[str, str], after: Mapping[str, str], path: str) -> None:
        """Keep what a sourced hook has changed; `path` is the PATH that the programs had before."""
        names = {name for name in {*before, *after} - _SHELLS_OWN if before.get(name) != after.get(name)}
        changes = {name: after.get(name) for name in names}
        self._changes.update(changes)
        if hook.account is None:
            self._changes_by_root.update(changes)
            if "PATH" in changes:  # the folders that root was not given are still the programs' first ones
                left_out = [folder for folder in path.split(":") if folder not in before["PATH"].split(":")]
                self._changes["PATH"] = ":".join([*left_out, after.get("PATH", "")])
        settings = {name for spec in setting_specs() for name in spec.names}
        for name in sorted(names & settings - _HANDED_ON):
            why = f"hook {hook} changes {name}: settings are read before any hook, so it steers nothing here"
            self._tell(log.ENTRYPOINT, f"warning: {why}", "warning")


def _merged(environment: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in {**environment, **changes}.items() if value is not None}


def _source(process: "_Process", hook: Hook, environment: Mapping[str, str]) -> Mapping[str, str]:
    """Let a shell read the hook; return the environment that it leaves."""
    with os.fdopen(os.memfd_create("environment"), "rb") as left:
        # On EXIT, for a hook may leave by itself. Whatever it did to PATH, this env is found.
        script = f"trap '/usr/bin/env -0 >/proc/self/fd/{left.fileno()}' EXIT; . \"$0\""
        command = ("/bin/sh", "-c", script, str(hook.path))
        process.run(command, environment, pass_fds=(left.fileno(),), account=hook.account)
        pairs = left.read().split(b"\0")[:-1]
    if not pairs:
        raise StepFailed(f"cannot run {process}: it replaced the shell, or its EXIT trap, which tells its variables", 1)
    return dict(os.fsdecode(pair).split("=", 1) for pair in pairs)


class _Process:
    """One hook, or the command of another step, while it runs."""

    def __init__(self, title: str, name: str, step: "RunHooks | Run", tell: Tell, stops: StopRequests) -> None:
        """`title` is how an error calls it, `name` who says what it prints."""
        self._title = title
        self._name = name
        self._tell = tell
        self._stops = stops
        self._directory = step.directory
        self._seconds = step.seconds
        self._printed = b""

    def __str__(self) -> str:
        return self._title

    def run(
        self,
        command: tuple[str, ...],
        environment: Mapping[str, str],
        pass_fds: tuple[int, ...] = (),
        account: Account | None = None,
    ) -> None:
        """Run it to its end. Raises what `HookRunner.run` raises."""
        try:
            process = subprocess.Popen(  # noqa: S603 -- the user's own command, no shell that they did not ask for
                command,
                cwd=self._directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=pass_fds,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=account.groups if account else None,
                start_new_session=True,  # its group can be ended, and a Ctrl-C in the terminal is ours to pass on
            )
        except OSError as error:
            raise NotRunnable(f"cannot run {self}: {error.strerror}") from error
        assert process.stdout is not None  # noqa: S101 -- it is a PIPE
        with process.stdout, selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(self._stops, selectors.EVENT_READ)
            try:
                self._judge(self._follow(process, selector, self._seconds))
            except BaseException:
                selector.unregister(self._stops)
                self._end(process, selector)
                raise

    def _judge(self, status: int | None) -> None:
        if status is None:
            why = f"it did not end within {self._seconds:g} s; ENTRYPOINT_HOOKS_TIMEOUT sets how long it may take"
            raise TimedOut(f"cannot run {self}: {why}")
        if status < 0:
            raise StepFailed(f"cannot run {self}: it was ended by {signal.Signals(-status).name}", 128 - status)
        if status > 0:
            raise StepFailed(f"cannot run {self}: it ended with exit status {status}", status)

    def _follow(
        self, process: "subprocess.Popen[bytes]", selector: selectors.BaseSelector, seconds: float
    ) -> int | None:
        """Pass on what it prints until it ends; return its status, None where it did not end in time."""
        assert process.stdout is not None  # noqa: S101 -- it is a PIPE
        output = process.stdout.fileno()
        deadline = time.monotonic() + seconds
        pause = _LONGEST_PAUSE  # something that it left running may hold its output open, so that alone is no sign
        while process.poll() is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            pause = min(2 * pause, _LONGEST_PAUSE)
            for key, _ in selector.select(min(left, pause)):
                if key.fileobj is self._stops:
                    self._stops.check()
                elif not self._relay(output):
                    selector.unregister(process.stdout)
                    pause = 0.0005
        os.set_blocking(output, False)
        with suppress(BlockingIOError):
            while self._relay(output):
                pass
        if self._printed:
            self._tell_line(self._printed)
            self._printed = b""
        return process.returncode

    def _relay(self, output: int) -> bool:
        """Pass on the whole lines that it printed; return whether there may be more."""
        data = os.read(output, 65536)
        *lines, self._printed = (self._printed + data).split(b"\n")
        for line in lines:
            self._tell_line(line)
        return bool(data)

    def _tell_line(self, line: bytes) -> None:
        self._tell(self._name, line.decode(errors="backslashreplace"))

    def _end(self, process: "subprocess.Popen[bytes]", selector: selectors.BaseSelector) -> None:
        """End it with all that it started, and give it a moment to take leave."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        self._follow(process, selector, _GRACE)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
