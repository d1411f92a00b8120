"""What supervisord's log says about programs: that they are ready, fail, respond again, or are restarted."""

from entrypoint.protocol.supervision import SupervisionConfig
from entrypoint.supervision.internals import Program, Supervisord
from entrypoint.supervision.policy import PermanentFailure

INSTEAD_OF_HUP = "`entrypoint ctl signal HUP nginx` reloads nginx, `entrypoint ctl restart NAME` restarts a program"
"""What to do where no boot has left what a reload needs: supervisord was started by hand."""

INSTEAD_OF_REQUEST = "its log lines say why; set ENTRYPOINT_READY_PATH to another path, or to off"


class Report:
    """The lines, and the states that the programs have reported themselves."""

    def __init__(self, supervisord: Supervisord, config: SupervisionConfig) -> None:
        self._supervisord = supervisord
        self._config = config
        self._status: dict[Program, str] = {}

    def ready(self, seconds: float, *, again: bool) -> None:
        """Say that the site is ready, `seconds` after the start or after it was not."""
        address = f": {self._config.address}" if self._config.address else ""
        self._supervisord.info(f"ready {'again ' if again else ''}after {seconds:.2f} s{address}")

    def refused(self, program: Program, why: str) -> None:
        """Say that the program failed its first request."""
        self._supervisord.critical(f"{program.name} is not ready: {why}; {INSTEAD_OF_REQUEST}")

    def unresponsive(self, program: Program, why: str) -> None:
        """Say that the program no longer passes its liveness probe."""
        self._supervisord.critical(f"{program.name} is not ready: {why}")

    def responds(self, program: Program) -> None:
        """Say that the program passes its liveness probe again."""
        self._supervisord.critical(f"{program.name} responds again")

    def restarting(self, program: Program, why: str, *, asked: bool) -> None:
        """Say that the program is restarted because of a probe or a limit, or because a client has `asked` for it."""
        (self._supervisord.info if asked else self._supervisord.critical)(f"restarting {program.name}: {why}")

    def status(self, program: Program, text: str) -> None:
        """Say what the program reports as its STATUS, if that is new."""
        if text and text != self._status.get(program):
            self._status[program] = text
            if not (self._config.quiet and self._config.program(program.name).application):
                # Our servers report that they start.
                self._supervisord.info(f"{program.name} reports: {text}")

    def forget(self, program: Program) -> None:
        """Forget a program that supervisord has removed."""
        self._status.pop(program, None)

    def reloaded(self, program: Program, signal_name: str) -> None:
        """Say that the program reads its changed files."""
        self._supervisord.info(f"files of {program.name} have changed: sent it {signal_name}")

    def use(self, config: SupervisionConfig) -> None:
        """Use the configuration that a reload has brought."""
        self._config = config

    def reloading(self) -> None:
        """Say that a signal begins a reload."""
        self._supervisord.warn("received SIGHUP: reloading")

    def reload_ended(self, done: tuple[str, ...], error: str) -> None:
        """Say what a reload has done, or why it could not be applied."""
        if error:
            self._supervisord.critical(f"cannot reload: {error}")
        else:
            self._supervisord.info(f"reload: {', '.join(done) or 'nothing to do'}")

    def ignored_hup_in_stop(self) -> None:
        """Say that a container that stops does not reload."""
        self._supervisord.warn("received SIGHUP: ignored, because the container stops")

    def ignored_hup(self) -> None:
        """Say what to do instead of sending SIGHUP."""
        self._supervisord.warn(f"received SIGHUP: ignored; {INSTEAD_OF_HUP}")

    def not_starting(self, name: str, failed: str) -> None:
        """Say that a program is not started, because the program `failed` is to be ready before."""
        self._supervisord.info(f"not starting {name}: {failed} failed permanently before")

    def failed(self, program: Program, failure: PermanentFailure, *, keep: bool) -> None:
        """Say that an essential program failed permanently, and whether the others keep running."""
        action = "keeping the others, not ready" if keep else "stopping all"
        self._supervisord.critical(
            f"{program.name} failed permanently ({failure.reason}): {action}, exit code {failure.exit_code}"
        )
