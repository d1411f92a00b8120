"""The boot: settings to facts, facts to plan, plan to effects."""

from collections.abc import Callable, Collection
from contextlib import ExitStack
from functools import partial
from typing import NoReturn

from entrypoint import log
from entrypoint.boot import environment
from entrypoint.boot.agent import Agent
from entrypoint.boot.effects import Preview, Reality, change_user, exec_program
from entrypoint.boot.execute import execute
from entrypoint.boot.execute import prepare as carry_out
from entrypoint.boot.facts import Facts, Machine, read_machine
from entrypoint.boot.plan import Plan, make_plan
from entrypoint.boot.settings import Settings
from entrypoint.boot.signals import StopRequests
from entrypoint.errors import Unusable

Tell = Callable[[str, str], None]


def serve(settings: Settings, tell: Tell) -> NoReturn:
    """Carry out the whole plan and become supervisord. Raises an EntrypointError; Stopped if a signal came first."""
    stops = StopRequests()
    machine = read_machine(settings)
    with ExitStack() as stack:
        agent = _start_agent(settings, machine, tell, stops)
        if agent:
            stack.enter_context(agent)
        plan = _plan(settings, machine, agent)
        execute(plan, Reality(partial(tell, log.ENTRYPOINT), stops, agent, leaving=stack.close))
    raise AssertionError(plan.exec)


def prepare(settings: Settings, tell: Tell, *, only: Collection[str], skip: Collection[str]) -> None:
    """Carry out the steps of the plan, all or some, without the exec. Raises an EntrypointError."""
    stops = StopRequests()
    machine = read_machine(settings)
    with ExitStack() as stack:
        agent = _start_agent(settings, machine, tell, stops)
        if agent:
            stack.enter_context(agent)
        plan = _plan(settings, machine, agent)
        unknown = sorted({*only, *skip} - {step.name for step in plan.steps})
        Unusable.check(f"cannot choose step {name}: this plan has no such step" for name in unknown)
        steps = [step for step in plan.steps if (not only or step.name in only) and step.name not in skip]
        carry_out(steps, Reality(partial(tell, log.ENTRYPOINT), stops, agent, leaving=stack.close))


def preview(settings: Settings, tell: Tell) -> Plan:
    """Show every step of the plan, carry out none, and return it."""
    machine = read_machine(settings)
    with ExitStack() as stack:
        agent = _start_agent(settings, machine, tell, None)
        if agent:
            stack.enter_context(agent)
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


def _start_agent(settings: Settings, machine: Machine, tell: Tell, stops: StopRequests | None) -> Agent | None:
    """Start the agent where there is a Django project; what is not Django has none."""
    if not machine.django:
        return None
    surroundings = environment.for_application(settings, machine, settings.settings_module)
    return Agent(machine, surroundings, tell, stops, write_bytecode=stops is not None)


def _plan(settings: Settings, machine: Machine, agent: Agent | None) -> Plan:
    return make_plan(settings, Facts(machine, agent.application() if agent else None))
