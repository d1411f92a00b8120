"""The boot: settings to facts, facts to plan, plan to effects.

What takes the time is the application's start. So its agent is started first, and what else a boot needs (jinja2,
supervisor's parser) is imported while it loads: the imports inside the functions below stand there for that.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from entrypoint import log
from entrypoint.boot import environment
from entrypoint.boot.agent import Agent
from entrypoint.boot.become import change_user, exec_program
from entrypoint.boot.facts import Facts, Machine, read_machine
from entrypoint.boot.settings import Settings
from entrypoint.boot.signals import StopRequests
from entrypoint.errors import Unusable

if TYPE_CHECKING:
    from entrypoint.boot.plan import Plan

Tell = Callable[[str, str], None]


def serve(settings: Settings, tell: Tell) -> NoReturn:
    """Carry out the whole plan and become supervisord. Raises an EntrypointError; Stopped if a signal came first."""
    stops = StopRequests()
    machine = read_machine(settings)
    with _agent(settings, machine, tell, stops) as agent:
        from entrypoint.boot.effects import Reality  # noqa: PLC0415 -- see above
        from entrypoint.boot.execute import execute  # noqa: PLC0415

        plan = _plan(settings, machine, agent)
        execute(plan, Reality(partial(tell, log.ENTRYPOINT), stops, agent))
    stops.hand_over()
    exec_program(plan.exec.argv, plan.exec.environment, plan.exec.directory)


def prepare(settings: Settings, tell: Tell, *, only: Collection[str], skip: Collection[str]) -> None:
    """Carry out the steps of the plan, all or some, without the exec. Raises an EntrypointError."""
    stops = StopRequests()
    machine = read_machine(settings)
    with _agent(settings, machine, tell, stops) as agent:
        from entrypoint.boot.effects import Reality  # noqa: PLC0415 -- see above
        from entrypoint.boot.execute import execute_steps  # noqa: PLC0415

        plan = _plan(settings, machine, agent)
        unknown = sorted({*only, *skip} - {step.name for step in plan.steps})
        Unusable.check(f"cannot choose step {name}: this plan has no such step" for name in unknown)
        steps = [step for step in plan.steps if (not only or step.name in only) and step.name not in skip]
        execute_steps(steps, Reality(partial(tell, log.ENTRYPOINT), stops, agent))


def preview(settings: Settings, tell: Tell) -> "Plan":
    """Show every step of the plan, carry out none, and return it."""
    machine = read_machine(settings)
    with _agent(settings, machine, tell, None) as agent:
        from entrypoint.boot.effects import Preview  # noqa: PLC0415 -- see above
        from entrypoint.boot.execute import execute  # noqa: PLC0415

        plan = _plan(settings, machine, agent)
    execute(plan, Preview(partial(tell, log.ENTRYPOINT)))
    return plan


def run_command(settings: Settings, command: tuple[str, ...]) -> NoReturn:
    """Become COMMAND, in the application's environment and as its user."""
    machine = read_machine(settings)
    if machine.root:
        change_user(machine.account)
    surroundings = environment.for_application(settings, machine, settings.settings_module)
    exec_program(command, surroundings, machine.app_dir)


@contextmanager
def _agent(settings: Settings, machine: Machine, tell: Tell, stops: StopRequests | None) -> Iterator[Agent | None]:
    """Run the agent where there is a Django project; what is not Django has none."""
    if not machine.django:
        yield None
        return
    surroundings = environment.for_application(settings, machine, settings.settings_module)
    with Agent(machine, surroundings, tell, stops, write_bytecode=stops is not None) as agent:
        yield agent


def _plan(settings: Settings, machine: Machine, agent: Agent | None) -> "Plan":
    from entrypoint.boot.plan import make_plan  # noqa: PLC0415 -- see above

    return make_plan(settings, Facts(machine, agent.application() if agent else None))
