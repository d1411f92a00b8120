"""The steps around those of the agent: waiting for other services, and the hooks."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from entrypoint.boot.decisions import environment
from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.facts.hooks import POST_MIGRATE, PRE_MIGRATE, PRE_START, SOURCED_SUFFIX, Hook
from entrypoint.boot.facts.machine import Machine
from entrypoint.boot.plan.steps import Ask, Read, RunHooks, Step, WaitFor
from entrypoint.boot.settings.settings import Settings
from entrypoint.errors import Unusable

DEFAULT: Final = "default"
"""The alias of Django's default database."""


def around(config: ResolvedConfig, asked: Iterable[Ask]) -> list[Step]:
    """Return the agent's steps with the waits and the hooks in their places."""
    Unusable.check(_not_recordable(config))
    steps = list(asked)
    before, after = _around_migration(config) if _migrates(config.settings) else ((), ())
    return [
        *_wait(config),
        *(step for step in steps if step.name == "wait"),
        *_hooks(config, PRE_MIGRATE, before),
        *(step for step in steps if step.name == "migrate"),
        *_hooks(config, POST_MIGRATE, after),
        *(step for step in steps if step.name not in ("wait", "migrate")),
        *_hooks(config, PRE_START, config.machine.hooks.of(PRE_START)),
    ]


def _not_recordable(config: ResolvedConfig) -> Iterator[str]:
    """Yield a problem for each hook that runs once, if no database can record that it has run."""
    databases = config.application.databases if config.application else ()
    if DEFAULT not in (database.alias for database in databases):
        for when in (POST_MIGRATE, PRE_START):
            for hook in config.machine.hooks.of(when):
                if hook.once_for:
                    yield f"cannot run hook {hook} once: Django's default database records that, and there is none"


def _wait(config: ResolvedConfig) -> Iterator[WaitFor]:
    settings = config.settings
    if settings.wait_for:
        yield WaitFor(settings.wait_for, settings.wait_timeout, config.progress("waiting for services"))


def _around_migration(config: ResolvedConfig) -> tuple[tuple[Hook, ...], tuple[Hook, ...]]:
    hooks = config.machine.hooks
    return tuple(hook for hook in hooks.of(PRE_MIGRATE) if not hook.sourced), hooks.of(POST_MIGRATE)


def found_hooks(config: ResolvedConfig) -> Iterator[Read]:
    """Report the hooks that have already run, the hooks that this boot skips, and files that are not hooks."""
    hooks = config.machine.hooks
    if hooks.before_loading:
        names = ", ".join(map(str, hooks.before_loading))
        yield Read("hooks", f"source {PRE_MIGRATE} hooks {names}, before the application is loaded")
    before, after = _around_migration(config)
    if (skipped := (*after, *before)) and not _migrates(config.settings):
        why = f"ENTRYPOINT_MIGRATE={config.settings.migrate}"
        yield Read("hooks", f"skip hooks {', '.join(map(str, skipped))}: {why}")
    if hooks.ignored:
        yield Read("hooks", f"ignore {', '.join(hooks.ignored)} in {config.settings.hooks_dir}: not a hook")


def before_loading(settings: Settings, machine: Machine) -> RunHooks:
    """Return the step that sources hooks before the application is loaded. Raises Unusable if a hook is invalid."""
    Unusable.check(machine.hooks.problems)
    return _step(settings, machine, settings.settings_module, PRE_MIGRATE, machine.hooks.before_loading)


def exports(settings: Settings, machine: Machine) -> Iterator[RunHooks]:
    """Yield the steps that source the later hooks, for a command that runs without a boot.

    They leave out a prestart.sh, because it prepares a start.
    """
    for when in (POST_MIGRATE, PRE_START):
        sourced = tuple(hook for hook in machine.hooks.of(when) if hook.path.suffix == SOURCED_SUFFIX)
        yield _step(settings, machine, settings.settings_module, when, sourced)


def _migrates(settings: Settings) -> bool:
    """Return whether this boot migrates; otherwise it skips the hooks around the migration."""
    return settings.migrate == "auto"


def _hooks(config: ResolvedConfig, when: str, hooks: tuple[Hook, ...]) -> Iterator[RunHooks]:
    if hooks:
        step = _step(config.settings, config.machine, config.settings_module, when, hooks)
        yield step._replace(progress=config.progress(f"running {when} hooks"))


def _step(
    settings: Settings, machine: Machine, settings_module: str | None, when: str, hooks: tuple[Hook, ...]
) -> RunHooks:
    surroundings = environment.for_application(settings, machine, settings_module)
    if settings.release:
        hooks = tuple(replace(hook, once_for=hook.once_for and f"release {settings.release}") for hook in hooks)
    return RunHooks(when, hooks, surroundings, machine.app_dir, settings.hooks_timeout)
