"""The entry points of boot: settings to facts, facts to plan, plan to effects.

The start of the application takes the most time. So its agent starts first, and the other modules of a boot (jinja2,
supervisor's parser) are imported inside the functions below, while the application loads.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NoReturn

from entrypoint.boot.decisions import environment
from entrypoint.boot.effects.disk import secret_key
from entrypoint.boot.effects.processes.agent import Agent, start
from entrypoint.boot.effects.processes.hook_runner import HookRunner
from entrypoint.boot.effects.processes.switch import exec_program
from entrypoint.boot.effects.signals import StopRequests
from entrypoint.boot.facts.machine import Facts, Machine, read_machine
from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.settings.types.values import nearest
from entrypoint.boot.trust.trust import Trust
from entrypoint.errors import EntrypointError, Unusable
from entrypoint.output.log import Tell
from entrypoint.protocol import filenames
from entrypoint.protocol.agent import Application, CheckRequest, RepairRequest
from entrypoint.protocol.supervision import Environments

if TYPE_CHECKING:
    from entrypoint.boot.decisions.config import ResolvedConfig
    from entrypoint.boot.effects.processes.children import Children
    from entrypoint.boot.plan.plan import Plan
    from entrypoint.boot.plan.steps import Exec, Step
    from entrypoint.boot.settings.reference import Derived


def serve(settings: Settings, tell: Tell) -> NoReturn:
    """Carry out the whole plan and exec supervisord. Raises an EntrypointError; Stopped after a stop signal."""
    stops = StopRequests()
    machine = read_machine(settings)
    settings, hooks = source(settings, machine, tell, stops)
    settings = secret_key.kept(settings, machine, stops)
    with agent_of(settings, machine, tell, stops) as agent, _children(machine.trust) as children:
        from entrypoint.boot.decisions.decide import decide
        from entrypoint.boot.effects.boot_performer import BootPerformer
        from entrypoint.boot.plan import plan
        from entrypoint.boot.plan.opening import opening

        performer = BootPerformer(hooks, agent, children)
        begun = opening(decide(settings, Facts(machine, None)))
        performer.execute(begun)
        performer.timeline.mark("load the application's settings", "load")
        config = _decided(settings, machine, agent.settings() if agent else None)
        performer.execute(plan.start(config, begun))
        performer.timeline.mark("load the application's apps", "load")
        config = _decided(settings, machine, agent.application() if agent else None)
        performer.execute(plan.rest(config))
        last = plan.make_exec(config)
        performer.announce(last)
        if agent:
            agent.close()
        performer.timeline.write(last.timeline, hooks.migrated)
        stops.hand_over()
        children.hand_over(last.handover, environments_of(last, hooks, settings), performer.timeline.began)
        exec_program(last.argv, last.environment, last.directory)


def environments_of(last: "Exec", hooks: HookRunner, settings: Settings) -> Environments:
    """Return the environments of the programs, with what the hooks have exported."""
    return Environments(
        programs=environment.without_secrets(hooks.changed(last.programs)),
        root=environment.without_secrets(hooks.changed_for_root(last.programs)),
        private=environment.private(settings),
        boot=settings.surroundings,
        page_password=settings.status_password.reveal() if settings.status_password else "",
    )


def prepare(settings: Settings, tell: Tell, *, only: Collection[str], skip: Collection[str]) -> None:
    """Carry out the steps of the plan, all or some, without the exec. Raises an EntrypointError."""
    stops = StopRequests()
    machine = read_machine(settings)
    wanted = (not only or "hooks" in only) and "hooks" not in skip
    settings, hooks = source(settings, machine, tell, stops, wanted=wanted)
    # The build of an image has no key, and must not create one in a volume.
    building = bool(only) and {"collectstatic", "compress"}.issuperset(only)
    settings = secret_key.temporary(settings, machine) if building else secret_key.kept(settings, machine, stops)
    with agent_of(settings, machine, tell, stops) as agent:
        from entrypoint.boot.effects.performers import RealPerformer
        from entrypoint.boot.plan.steps import COMPRESS, SERVE, WARNING

        plan = _plan(settings, machine, agent, ahead=True)
        steps = [step for step in plan.steps if step.name != SERVE]
        known = dict.fromkeys(step.name for step in steps)
        unknown = sorted({*only, *skip} - known.keys())
        Unusable.check(
            f"cannot choose step {name}: this plan has no such step{nearest(name, known)}" for name in unknown
        )
        # `collectstatic` also compresses the files that it collects. Other files are compressed only on request.
        selected = only or known.keys() - {COMPRESS}
        chosen = {WARNING, *(step.name for step in steps if step.name in selected)} - {*skip}
        steps = [step for step in steps if step.name in chosen]
        RealPerformer(hooks, agent).execute(steps)


def render(settings: Settings, tell: Tell, out: PurePosixPath | None) -> None:
    """Write the files, into the run directory or as copies into the folder `out`. Raises an EntrypointError."""
    stops = StopRequests()
    machine = read_machine(settings)
    settings = secret_key.previewed(settings, machine)
    with agent_of(settings, machine, tell, stops) as agent:
        from entrypoint.boot.effects.performers import RealPerformer
        from entrypoint.boot.plan.file_steps import copies
        from entrypoint.boot.plan.steps import WARNING

        plan = _plan(settings, machine, agent)
        warnings = [step for step in plan.steps if step.name == WARNING]
        in_place = [step for step in plan.steps if step.name == "render"]
        steps = [*warnings, *(in_place if out is None else copies(plan.files, out))]
        RealPerformer(HookRunner(tell, stops, machine.trust), agent).execute(steps)


def check(settings: Settings, tell: Tell) -> None:
    """Validate everything that needs no database and no free port. Raises an EntrypointError with all problems."""
    stops = StopRequests()
    machine = read_machine(settings)
    settings, hooks = source(settings, machine, tell, stops)
    settings = secret_key.previewed(settings, machine)
    with agent_of(settings, machine, tell, stops, write_bytecode=False) as agent:
        from entrypoint.boot.effects.disk import folders
        from entrypoint.boot.effects.performers import RealPerformer
        from entrypoint.boot.plan.opening import space
        from entrypoint.boot.plan.plan import make_plan
        from entrypoint.boot.plan.steps import Ask

        config = _decided(settings, machine, agent.application() if agent else None)
        facts = Facts(machine, config.application)
        with folders.temporary_folder(machine.temporary) as folder:
            plan = make_plan(replace(settings, run_dir=folder), facts)
            # The space in the real run directory, not in the temporary one.
            steps = [*validating(plan, machine), *space(config)]
            if agent:
                collects = any(step.name == "collectstatic" for step in plan.steps)
                request = CheckRequest(collects=collects)
                steps.append(Ask("check", "check the project as manage.py check --deploy does", request))
            RealPerformer(hooks, agent).execute_each(steps)


def validating(plan: "Plan", machine: Machine) -> list["Step"]:
    """Return the steps that validate a plan in a temporary run directory."""
    from entrypoint.boot.plan.check_steps import CheckWritable, ValidateNginx, ValidateSupervisord, runs_in_check
    from entrypoint.boot.plan.steps import SERVE

    steps: list[Step] = [step for step in plan.steps if step.name != SERVE and runs_in_check(step)]
    # FindPrograms and CheckWritable report these problems; the two parsers need not repeat them.
    if "nginx" not in machine.programs:
        steps = [step for step in steps if not isinstance(step, ValidateNginx)]
    logs = (file for step in steps if isinstance(step, CheckWritable) for file in step.files)
    if all(os.path.isdir(file.parent) for file in logs):  # noqa: PTH112 -- Path.is_dir may raise
        steps += [ValidateSupervisord(file) for file in plan.files if file.path.name == filenames.SUPERVISORD_CONF.name]
    return steps


def repair(settings: Settings, tell: Tell, migration: str, database: str, *, applied: bool) -> str:
    """Let the agent record a repaired migration; return its result. Raises an EntrypointError."""
    stops = StopRequests()
    machine = read_machine(settings)
    settings, _hooks = source(settings, machine, tell, stops)
    settings = secret_key.previewed(settings, machine)
    with agent_of(settings, machine, tell, stops) as agent:
        if agent is None:
            raise Unusable(f"cannot repair {migration}: there is no Django project in {machine.app_dir}")
        agent.application()
        request = RepairRequest(
            migration=migration,
            applied=applied,
            database=database,
            url=settings.migrate_database_url,
            seconds=settings.wait_timeout,
        )
        return agent.ask("repair", request).text


def preview(settings: Settings, tell: Tell) -> "Plan":
    """Show every step of the plan, carry out none, and return it."""
    machine = read_machine(settings)
    settings = secret_key.previewed(settings, machine)
    with agent_of(settings, machine, tell, None, write_bytecode=False) as agent:
        from entrypoint.boot.effects.performers import DryRunPerformer

        plan = _plan(settings, machine, agent)
    performer = DryRunPerformer(tell)
    performer.execute(plan.steps)
    performer.announce(plan.exec)
    return plan


def derived(settings: Settings) -> tuple[Mapping[str, "Derived"], tuple[str, ...]]:
    """Return the effective values of unset settings, and the lines that say why some of them are unknown."""
    from entrypoint.boot.decisions.derived import derived as values_of

    try:
        machine = read_machine(settings)
    except EntrypointError as error:
        return {}, error.lines()
    application = None
    unknown: tuple[str, ...] = ()
    try:
        surroundings = secret_key.previewed(settings, machine)
        with agent_of(surroundings, machine, lambda *_: None, None, write_bytecode=False) as agent:
            application = agent.settings() if agent else None
    except EntrypointError as error:
        unknown = error.lines()
    return values_of(settings, Facts(machine, application)), unknown


def source(
    settings: Settings, machine: Machine, tell: Tell, stops: StopRequests, *, wanted: bool = True
) -> tuple[Settings, HookRunner]:
    """Source the hooks that must run before the application is loaded; return the settings with their variables."""
    hooks = HookRunner(tell, stops, machine.trust)
    if wanted and machine.hooks.before_loading:
        from entrypoint.boot.plan.hook_steps import before_loading

        hooks.run(before_loading(settings, machine))
        settings = replace(settings, environment=hooks.changed(settings.environment))
    return settings, hooks


def switch_maintenance(settings: Settings, run_dir: Path, allow: tuple[str, ...] | None) -> str:
    """Begin a maintenance in which `allow` may use the site, or end it if `allow` is None; return what was done.

    `run_dir` is the run directory of this container's site. Raises NotAllowed if another user runs the site.
    """
    from entrypoint.boot.decisions.decide import decide
    from entrypoint.boot.effects import maintenance
    from entrypoint.boot.facts.maintenance import parse

    try:
        allowed = None if allow is None else parse(allow)
    except ValueError as error:
        raise Unusable(f"cannot use --allow: {error}") from error
    maintenance.runs_in(run_dir)
    return maintenance.switch(decide(settings, Facts(read_machine(settings), None)), allowed)


@contextmanager
def agent_of(
    settings: Settings, machine: Machine, tell: Tell, stops: StopRequests | None, *, write_bytecode: bool = True
) -> Iterator[Agent | None]:
    """Run the agent of a Django project; other applications have none."""
    if not machine.django:
        yield None
        return
    surroundings = environment.for_agent(settings, machine)
    with Agent(start(machine, surroundings, write_bytecode=write_bytecode), tell, stops) as agent:
        yield agent


def _children(trust: Trust) -> "Children":
    from entrypoint.boot.effects.processes.children import Children

    return Children(trust)


def _plan(settings: Settings, machine: Machine, agent: Agent | None, *, ahead: bool = False) -> "Plan":
    from entrypoint.boot.plan.plan import make_plan

    config = _decided(settings, machine, agent.application() if agent else None)
    return make_plan(settings, Facts(machine, config.application), ahead=ahead)


def _decided(settings: Settings, machine: Machine, application: Application | None) -> "ResolvedConfig":
    """Return the resolved configuration. Raises Unusable if a private file would be served."""
    from entrypoint.boot.decisions.decide import decide
    from entrypoint.boot.effects.checks import overlaps

    config = decide(settings, Facts(machine, application))
    overlaps.check(config)
    return config
