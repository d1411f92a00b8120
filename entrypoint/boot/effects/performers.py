"""The performers of a dry run, which shows the steps, and of a preparation. That of a boot is in boot_performer.py."""

import os
import time
from collections.abc import Iterable
from functools import singledispatchmethod
from pathlib import Path
from typing import Final

from entrypoint import certificate_store
from entrypoint.boot.decisions.folders.artifacts import Progress
from entrypoint.boot.effects.checks import places
from entrypoint.boot.effects.checks.validation import validate_nginx, validate_supervisord
from entrypoint.boot.effects.disk import folders, run_files
from entrypoint.boot.effects.processes.agent import Agent
from entrypoint.boot.effects.processes.hook_runner import HookRunner
from entrypoint.boot.facts.installed import BROUGHT_BY
from entrypoint.boot.plan import check_steps, file_steps
from entrypoint.boot.plan.steps import WARNING, Ask, Compress, EmptyMetrics, Exec, Read, Run, RunHooks, Step, WaitFor
from entrypoint.boot.settings.sources import textfile
from entrypoint.errors import EntrypointError, NotAllowed, NotFound, Several, Stopped, Unusable
from entrypoint.output import log
from entrypoint.output.log import Tell, printable
from entrypoint.protocol.agent import HookDoneRequest, HookDueRequest, MigrateRequest, WaitRequest

_RESULT_GRACE: Final = 2.0  # seconds that the agent's result may be late


class DryRunPerformer:
    """Shows the steps, and carries out none."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._announced = 0

    def announce(self, step: Step | Exec) -> None:
        """Show the line of the step, with its number."""
        self._announced += 1
        name = "exec" if isinstance(step, Exec) else step.name
        progress = getattr(step, "progress", None)
        log.at_step(name, progress.name if progress else "")
        level = "warning" if name == WARNING else "info"
        self._tell(log.ENTRYPOINT, f"{self._announced}. {printable(str(step))}", level)

    def apply(self, step: Step) -> None:
        """Do nothing."""

    def execute(self, steps: Iterable[Step]) -> None:
        """Announce and carry out the steps. Raises the first error."""
        for step in steps:
            self.announce(step)
            self.apply(step)

    def execute_each(self, steps: Iterable[Step]) -> None:
        """Announce and carry out each of the steps, even if others fail. Raises all errors as one."""
        errors = []
        for step in steps:
            self.announce(step)
            try:
                self.apply(step)
            except Stopped:
                raise
            except EntrypointError as error:
                errors.append(error)
        Several.check(errors)


class RealPerformer(DryRunPerformer):
    """Carries out the steps that prepare the application. It starts no program of the site."""

    def __init__(self, hooks: HookRunner, agent: Agent | None) -> None:
        """Use the log, the stop requests and the trust of `hooks` for all steps."""
        super().__init__(hooks.tell)
        self._stops = hooks.stops
        self._trust = hooks.trust
        self._hooks = hooks
        self._agent = agent
        self._waiting_since: float | None = None

    def announce(self, step: Step | Exec) -> None:
        """Show the line of the step, unless a stop was requested."""
        self._stops.check()
        super().announce(step)

    def _show(self, progress: Progress | None, done: int | None = None, of: int | None = None) -> None:
        """Show clients the progress. A preparation serves no clients."""

    def _outdate(self) -> None:
        """Discard the programs that loaded the application before this change. Here there are none; a boot has some."""

    @singledispatchmethod
    def apply(self, step: Step) -> None:
        """Carry out the step. Raises an EntrypointError."""
        raise NotImplementedError(step)

    @apply.register
    def _(self, step: Read) -> None:
        pass

    @apply.register
    def _(self, step: check_steps.FindPrograms) -> None:
        missing = (name for name, path in step.programs.items() if path is None)
        Several.check([NotFound(f"cannot run {name}: {_why_missing(name)}") for name in missing])

    @apply.register
    def _(self, step: check_steps.CheckPort) -> None:
        for listen in step.addresses:
            places.check_address(listen, step.setting)

    @apply.register
    def _(self, step: check_steps.CheckReadable) -> None:
        errors: list[EntrypointError] = []
        for name, path in step.files.items():
            try:
                textfile.read_bytes(Path(path))
            except (OSError, ValueError) as error:
                kind = NotAllowed if isinstance(error, PermissionError) else Unusable
                why = error.strerror if isinstance(error, OSError) else error
                errors.append(kind(f"cannot read {name}={path}: {why}"))
        Several.check(errors)

    @apply.register
    def _(self, step: check_steps.CheckPasswords) -> None:
        from entrypoint.boot.effects.checks import password_file  # noqa: PLC0415 -- needed only for such a file

        password_file.check(step.file, step.account)

    @apply.register
    def _(self, step: check_steps.CheckPages) -> None:
        Unusable.check(
            f"cannot find the error page {page}: NGINX_ERROR_PAGES names {status}; "
            f"add errors/{page.name} to the static files, or remove {status} from NGINX_ERROR_PAGES"
            for status, page in step.pages.items()
            if not Path(page).is_file()
        )

    @apply.register
    def _(self, step: check_steps.CheckWritable) -> None:
        Several.check(list(places.log_file_errors(step.files, self._trust)))

    @apply.register
    def _(self, step: check_steps.CheckSpace) -> None:
        from entrypoint.boot.effects.checks import space  # noqa: PLC0415 -- needed only for a cache

        space.check(step)

    @apply.register
    def _(self, step: file_steps.MakeDirectories) -> None:
        for directory in step.directories:
            folders.make_directory(directory)
        Several.check([error for path in step.files if (error := places.obstacle(path))])

    @apply.register
    def _(self, step: file_steps.MakeStore) -> None:
        os.close(certificate_store.opened(step.store, create=True))

    @apply.register
    def _(self, step: file_steps.TakeCertificate) -> None:
        from entrypoint.boot.effects.disk import certificates  # noqa: PLC0415 -- needed only with such a certificate

        certificates.take(step.store, step.file)

    @apply.register
    def _(self, step: file_steps.MakeCertificate) -> None:
        from entrypoint.boot.effects.disk import certificates  # noqa: PLC0415 -- as above

        certificates.make(step)

    @apply.register
    def _(self, step: file_steps.KeepCertificate) -> None:
        from entrypoint.boot.effects.disk import certificates  # noqa: PLC0415 -- as above

        certificates.keep(step.file, step.store)

    @apply.register
    def _(self, step: EmptyMetrics) -> None:
        folders.empty_metrics(step)

    @apply.register
    def _(self, step: file_steps.HandOver) -> None:
        from entrypoint.boot.effects.disk import ownership  # noqa: PLC0415 -- needed only with PUID

        for folder in step.folders:
            if done := ownership.hand_over(folder, step.account, step.others):
                self._say(f"    {folder}: {done}")

    @apply.register
    def _(self, step: file_steps.Link) -> None:
        for link in step.links:
            run_files.link(link, step.folder / link.name)

    @apply.register
    def _(self, step: file_steps.WriteFiles) -> None:
        for file in step.files:
            run_files.write(file.path, file.text)

    @apply.register
    def _(self, step: check_steps.ValidateNginx) -> None:
        validate_nginx(step, self._stops)

    @apply.register
    def _(self, step: check_steps.ValidateSupervisord) -> None:
        validate_supervisord(step)

    @apply.register
    def _(self, step: Ask) -> None:
        self._show(step.progress)
        request, seconds = step.request, None
        if isinstance(request, WaitRequest):
            request = request._replace(seconds=self._left(request.seconds))
            seconds = request.seconds + _RESULT_GRACE
        result = self._the_agent.ask(
            step.name, request, seconds, lambda done, total: self._show(step.progress, done, total)
        )
        if isinstance(request, MigrateRequest):
            self._hooks.migrated = result.number
        if result.changed:
            self._outdate()
        if result.text:
            self._say(f"    {result.text}")

    @apply.register
    def _(self, step: Compress) -> None:
        from entrypoint.boot.effects.disk.compression import compress  # noqa: PLC0415 -- no boot compresses

        self._say(f"    {compress(step, self._stops, self._trust)}")

    @apply.register
    def _(self, step: WaitFor) -> None:
        from entrypoint.boot.effects.waiting.waiting import wait_for  # noqa: PLC0415 -- needed only if there is something to wait for

        self._show(step.progress)
        if wait_for(step.targets, self._left(step.seconds), self._say, self._stops):
            self._outdate()

    @apply.register
    def _(self, step: RunHooks) -> None:
        self._show(step.progress)
        for hook in step.hooks:
            name = f"{step.when} hook {hook.path.name} for {hook.once_for}"
            if hook.once_for and not self._the_agent.ask("run hooks", HookDueRequest(name)).number:
                self._say(f"    skip {hook}: it has run for {hook.once_for}")
                continue
            self._hooks.run(step._replace(hooks=(hook,)))
            if hook.once_for:
                self._the_agent.ask("record the hook", HookDoneRequest(name))

    @apply.register
    def _(self, step: Run) -> None:
        self._show(step.progress)
        self._hooks.run_alone(step)

    @property
    def _the_agent(self) -> Agent:
        if self._agent is None:
            raise NotImplementedError  # a plan without an application has no such step
        return self._agent

    def _say(self, line: str) -> None:
        self._tell(log.ENTRYPOINT, line)

    def _left(self, seconds: float) -> float:
        """Return the remaining seconds of the common deadline, which starts with the first wait."""
        now = time.monotonic()
        self._waiting_since = self._waiting_since or now
        return max(0.0, self._waiting_since + seconds - now)


def _why_missing(name: str) -> str:
    return f"it is not installed; {BROUGHT_BY[name]}" if name in BROUGHT_BY else NotFound.WHY
