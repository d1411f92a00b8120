"""The boot: settings to facts, facts to plan, plan to effects.

What takes the time is the application's start. So its agent is started first, and what else a boot needs (jinja2,
supervisor's parser) is imported while it loads: the imports inside the functions below stand there for that.
"""

import os
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NoReturn

from entrypoint import log
from entrypoint.boot import environment
from entrypoint.boot.agent import Agent
from entrypoint.boot.become import change_user, exec_program
from entrypoint.boot.facts import Facts, Machine, read_machine
from entrypoint.boot.settings import Settings
from entrypoint.boot.signals import StopRequests
from entrypoint.errors import NotFound, Unusable

if TYPE_CHECKING:
    from entrypoint.boot.plan import Plan

Tell = Callable[..., None]  # name, text, and the level of the log


def serve(settings: Settings, tell: Tell) -> NoReturn:
    """Carry out the whole plan and become supervisord. Raises an EntrypointError; Stopped if a signal came first."""
    stops = StopRequests()
    _warn(settings, tell)
    machine = read_machine(settings)
    with _agent(settings, machine, tell, stops) as agent:
        from entrypoint.boot.effects import Reality  # noqa: PLC0415 -- see above
        from entrypoint.boot.execute import execute  # noqa: PLC0415

        plan = _plan(settings, machine, agent)
        execute(plan, Reality(tell, stops, agent))
    stops.hand_over()
    exec_program(plan.exec.argv, plan.exec.environment, plan.exec.directory)


def prepare(settings: Settings, tell: Tell, *, only: Collection[str], skip: Collection[str]) -> None:
    """Carry out the steps of the plan, all or some, without the exec. Raises an EntrypointError."""
    stops = StopRequests()
    _warn(settings, tell)
    machine = read_machine(settings)
    with _agent(settings, machine, tell, stops) as agent:
        from entrypoint.boot.effects import Reality  # noqa: PLC0415 -- see above
        from entrypoint.boot.execute import execute_steps  # noqa: PLC0415

        plan = _plan(settings, machine, agent)
        unknown = sorted({*only, *skip} - {step.name for step in plan.steps})
        Unusable.check(f"cannot choose step {name}: this plan has no such step" for name in unknown)
        steps = [step for step in plan.steps if (not only or step.name in only) and step.name not in skip]
        execute_steps(steps, Reality(tell, stops, agent))


def render(settings: Settings, tell: Tell, out: PurePosixPath | None) -> None:
    """Write the files, into the run directory or as copies into the folder `out`. Raises an EntrypointError."""
    stops = StopRequests()
    _warn(settings, tell)
    machine = read_machine(settings)
    with _agent(settings, machine, tell, stops) as agent:
        from entrypoint.boot.effects import Reality  # noqa: PLC0415 -- see above
        from entrypoint.boot.execute import execute_steps  # noqa: PLC0415
        from entrypoint.boot.steps import copies  # noqa: PLC0415

        plan = _plan(settings, machine, agent)
        in_place = [step for step in plan.steps if step.name == "render"]
        steps = in_place if out is None else copies(plan.files, out)
        execute_steps(steps, Reality(tell, stops, agent))


def check(settings: Settings, tell: Tell) -> None:
    """Validate what can be without a database or a free port. Raises an EntrypointError with what is wrong."""
    stops = StopRequests()
    _warn(settings, tell)
    machine = read_machine(settings)
    with _agent(settings, machine, tell, stops, write_bytecode=False) as agent:
        from entrypoint.boot.effects import Reality, temporary_folder  # noqa: PLC0415 -- see above
        from entrypoint.boot.execute import execute_steps  # noqa: PLC0415
        from entrypoint.boot.plan import make_plan  # noqa: PLC0415
        from entrypoint.boot.steps import Ask, CheckPort, Run, Step  # noqa: PLC0415

        facts = Facts(machine, agent.application() if agent else None)
        make_plan(settings, facts)  # its own run directory may be what is wrong
        with temporary_folder(machine.temporary) as folder:
            plan = make_plan(replace(settings, run_dir=folder), facts)
            steps: list[Step] = [step for step in plan.steps if not isinstance(step, CheckPort | Ask | Run)]
            if agent:
                steps.append(Ask("check", "check the project as manage.py check --deploy does"))
            execute_steps(steps, Reality(tell, stops, agent))


def preview(settings: Settings, tell: Tell) -> "Plan":
    """Show every step of the plan, carry out none, and return it."""
    _warn(settings, tell)
    machine = read_machine(settings)
    with _agent(settings, machine, tell, None, write_bytecode=False) as agent:
        from entrypoint.boot.effects import Preview  # noqa: PLC0415 -- see above
        from entrypoint.boot.execute import execute  # noqa: PLC0415

        plan = _plan(settings, machine, agent)
    execute(plan, Preview(tell))
    return plan


def run_command(settings: Settings, command: tuple[str, ...]) -> NoReturn:
    """Become COMMAND, in the application's environment and as its user."""
    machine = read_machine(settings)
    if machine.root:
        change_user(machine.account)
    surroundings = environment.for_application(settings, machine, settings.settings_module)
    exec_program(command, surroundings, machine.app_dir)


def control(settings: Settings, words: tuple[str, ...]) -> NoReturn:
    """Become supervisorctl, connected to the supervisord of this container."""
    from entrypoint.boot.decisions import run_dir  # noqa: PLC0415 -- see above

    machine = read_machine(settings)
    conf = str(run_dir(settings, machine) / "supervisord.conf")
    if not os.path.exists(conf):  # noqa: PTH110 -- Path.exists raises where the name is too long
        raise NotFound(f"cannot find {conf}: nothing was started here with these settings")
    command = (sys.executable, "-m", "supervisor.supervisorctl", "-c", conf, *words)
    exec_program(command, settings.environment, machine.app_dir)


def _warn(settings: Settings, tell: Tell) -> None:
    for warning in settings.warnings:
        tell(log.ENTRYPOINT, f"warning: {warning}", "warning")


@contextmanager
def _agent(
    settings: Settings, machine: Machine, tell: Tell, stops: StopRequests | None, *, write_bytecode: bool = True
) -> Iterator[Agent | None]:
    """Run the agent where there is a Django project; what is not Django has none."""
    if not machine.django:
        yield None
        return
    surroundings = environment.for_application(settings, machine, settings.settings_module)
    with Agent(machine, surroundings, tell, stops, write_bytecode=write_bytecode) as agent:
        yield agent


def _plan(settings: Settings, machine: Machine, agent: Agent | None) -> "Plan":
    from entrypoint.boot.plan import make_plan  # noqa: PLC0415 -- see above

    return make_plan(settings, Facts(machine, agent.application() if agent else None))
