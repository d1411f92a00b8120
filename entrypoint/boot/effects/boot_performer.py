"""The performer of a whole boot."""

from functools import singledispatchmethod

from entrypoint.boot.decisions.folders.artifacts import Progress
from entrypoint.boot.effects.disk import run_files
from entrypoint.boot.effects.performers import RealPerformer
from entrypoint.boot.effects.processes.agent import Agent
from entrypoint.boot.effects.processes.children import Children
from entrypoint.boot.effects.processes.hook_runner import HookRunner
from entrypoint.boot.effects.timeline import Timeline
from entrypoint.boot.plan.file_steps import MakeDirectories
from entrypoint.boot.plan.steps import Exec, Reload, Serve, Start, Step
from entrypoint.output.log import printable


class BootPerformer(RealPerformer):
    """Carries out a whole boot: it also starts programs, which supervisord adopts, and shows clients the progress."""

    def __init__(self, hooks: HookRunner, agent: Agent | None, children: Children) -> None:
        super().__init__(hooks, agent)
        self._children = children
        self.timeline = Timeline()

    def announce(self, step: Step | Exec) -> None:
        """Show the line of the step, and record when the step began."""
        super().announce(step)
        phase = "supervise" if isinstance(step, Exec) else step.name
        self.timeline.mark(f"{self._announced}. {printable(str(step))}", phase)

    def _show(self, progress: Progress | None, done: int | None = None, of: int | None = None) -> None:
        for file in progress.files(done, of) if progress else ():
            run_files.write(file.path, file.text)

    def _outdate(self) -> None:
        self._children.discard_outdated()

    @singledispatchmethod
    def apply(self, step: Step) -> None:
        """Carry out the step. Most steps are the same as in a preparation."""
        super().apply(step)

    @apply.register
    def _(self, step: MakeDirectories) -> None:
        super().apply(step)
        for path in step.stale:
            run_files.remove(path)

    @apply.register
    def _(self, step: Start) -> None:
        self._show(step.progress)
        self._children.start(step)

    @apply.register
    def _(self, step: Reload) -> None:
        self._children.reload(step.program.name, self._stops.check)

    @apply.register
    def _(self, step: Serve) -> None:
        self._children.check_loaded()
        self._children.start_outdated()
        for path in step.progress.paths:
            run_files.remove(path)
