"""What stands around the agent's steps: waiting for what is not Django's, and the hooks of each phase."""

from collections.abc import Iterable, Iterator

from entrypoint.boot.decisions import environment
from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.facts.hooks import POST_MIGRATE, PRE_MIGRATE, PRE_START, Hook
from entrypoint.boot.facts.machine import Machine
from entrypoint.boot.plan.steps import Ask, Read, RunHooks, Step, WaitFor
from entrypoint.boot.settings.settings import Settings
from entrypoint.errors import Unusable


def around(config: ResolvedConfig, asked: Iterable[Ask]) -> list[Step]:
    """Return the steps that the agent is asked for, and in their places those that need no Django."""
    steps = list(asked)
    migrate = _behind(steps, "wait")
    rest = max(migrate, _behind(steps, "migrate"))
    phase = config.phase("waiting for services")
    waits = [WaitFor(config.settings.wait_for, config.settings.wait_timeout, phase)] if config.settings.wait_for else []
    ours = _migrates(config.settings)
    return [
        *waits,
        *steps[:migrate],
        *(
            _hooks(config, PRE_MIGRATE, [h for h in config.machine.hooks.of(PRE_MIGRATE) if not h.sourced])
            if ours
            else ()
        ),
        *steps[migrate:rest],
        *(_hooks(config, POST_MIGRATE, config.machine.hooks.of(POST_MIGRATE)) if ours else ()),
        *steps[rest:],
        *_hooks(config, PRE_START, config.machine.hooks.of(PRE_START)),
    ]


def found_hooks(config: ResolvedConfig) -> Iterator[Read]:
    """Yield what was done before there was a plan, and what is not done."""
    hooks = config.machine.hooks
    if hooks.before_loading:
        names = ", ".join(map(str, hooks.before_loading))
        yield Read("hooks", f"source {PRE_MIGRATE} hooks {names}, before the application is loaded")
    left_out = [*hooks.of(POST_MIGRATE), *(hook for hook in hooks.of(PRE_MIGRATE) if not hook.sourced)]
    if left_out and not _migrates(config.settings):
        why = f"ENTRYPOINT_MIGRATE={config.settings.migrate}"
        yield Read("hooks", f"leave out the hooks {', '.join(map(str, left_out))}: {why}")
    if hooks.ignored:
        yield Read("hooks", f"pass over {', '.join(hooks.ignored)} in {config.settings.hooks_dir}: no hooks")


def before_loading(settings: Settings, machine: Machine) -> RunHooks:
    """Return the step that sources what the application is loaded with. Raises Unusable where a hook cannot be used."""
    Unusable.check(machine.hooks.problems)
    return _step(settings, machine, settings.settings_module, PRE_MIGRATE, machine.hooks.before_loading)


def _migrates(settings: Settings) -> bool:
    """Return whether it is this boot that migrates, so that what stands around that is its own too."""
    return settings.migrate == "auto"


def _behind(steps: list[Ask], name: str) -> int:
    """Return the place behind the last step of that name, 0 where there is none."""
    return 1 + max((at for at, step in enumerate(steps) if step.name == name), default=-1)


def _hooks(config: ResolvedConfig, phase: str, hooks: Iterable[Hook]) -> Iterator[RunHooks]:
    module = config.application.settings_module if config.application else config.settings.settings_module
    if found := tuple(hooks):
        step = _step(config.settings, config.machine, module, phase, found)
        yield step._replace(phase=config.phase(f"running {phase} hooks"))


def _step(
    settings: Settings, machine: Machine, settings_module: str | None, phase: str, hooks: tuple[Hook, ...]
) -> RunHooks:
    surroundings = environment.for_application(settings, machine, settings_module)
    return RunHooks(phase, hooks, surroundings, machine.app_dir, settings.hooks_timeout)
