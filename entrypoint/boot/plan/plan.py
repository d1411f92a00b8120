"""A boot as a plan: its steps in their order, and the exec."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from entrypoint.boot.decisions import environment
from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.decisions.decide import decide
from entrypoint.boot.decisions.folders.artifacts import File, Progress
from entrypoint.boot.decisions.programs import programs
from entrypoint.boot.facts import templates
from entrypoint.boot.facts.machine import Facts
from entrypoint.boot.files import configuration, nginx, protection, sites
from entrypoint.boot.plan.application_warnings import application_warnings
from entrypoint.boot.plan.check_steps import CheckPages, ValidateNginx, ValidateSupervisord
from entrypoint.boot.plan.file_steps import HandOver, WriteFiles
from entrypoint.boot.plan.hook_steps import around
from entrypoint.boot.plan.opening import opening, user_certificate
from entrypoint.boot.plan.preparation import preparation
from entrypoint.boot.plan.sources_used import sources_used
from entrypoint.boot.plan.steps import SERVE, Compress, Exec, Reload, Run, Serve, Start, Step
from entrypoint.boot.settings.programs.user_programs import RELEASE, UserProgram
from entrypoint.boot.settings.settings import Settings
from entrypoint.protocol import filenames


@dataclass(frozen=True)
class Plan:
    """The steps of a boot, and the exec."""

    steps: tuple[Step, ...]
    exec: Exec

    @property
    def files(self) -> tuple[File, ...]:
        """The files that the plan writes, in their final form."""
        return written(self.steps, "render")


def start(config: ResolvedConfig, begun: Iterable[Step]) -> tuple[Step, ...]:
    """Return the steps after the opening, `begun`. `config` needs only the settings of the application.

    Raises Unusable if the settings contradict each other or a file cannot hold a text.
    """
    files = tuple(configuration.files(config))
    return (
        *sources_used(config),
        *_hand_over(config),
        WriteFiles(files),
        *_early_server(config),
        *_validations(config, files),
        *([Reload(programs.nginx(config))] if not set(written(begun, SERVE)).issubset(files) else []),
    )


def rest(config: ResolvedConfig, *, ahead: bool = False) -> tuple[Step, ...]:
    """Return the remaining steps, for a boot or `ahead` of one. `config` needs all facts. Raises Unusable."""
    return (
        # An image build has neither the container's environment nor its volumes, so warnings would be wrong.
        *(() if ahead else application_warnings(config)),
        *around(config, preparation(config, ahead=ahead)),
        *_pages(config),
        *(_compress(config) if ahead else ()),
        *_release(config),
        *_serve(config),
    )


def make_plan(settings: Settings, facts: Facts, *, ahead: bool = False) -> Plan:
    """Return the whole plan, for a boot or `ahead` of one. Raises Unusable if one of its parts does."""
    begun = opening(decide(settings, Facts(facts.machine, None)))
    config = decide(settings, facts)
    return Plan((*begun, *start(config, begun), *rest(config, ahead=ahead)), make_exec(config))


def written(steps: Iterable[Step], name: str) -> tuple[File, ...]:
    """Return the files that the steps of this name write."""
    return tuple(file for step in steps if isinstance(step, WriteFiles) and step.name == name for file in step.files)


def _hand_over(config: ResolvedConfig) -> Iterator[HandOver]:
    if config.handed_over:
        account, others = config.machine.account, config.machine.accounts.values()
        yield HandOver(config.handed_over, account, tuple(sorted({each.uid for each in others} - {account.uid})))


def _pages(config: ResolvedConfig) -> Iterator[CheckPages]:
    """Yield the check of the error pages, which exist only once the static files are collected."""
    found = protection.pages(config, nginx.static_root(config)) if config.nginx else ()
    if pages := {page.status: page.path for page in found if not page.rendered}:
        yield CheckPages(pages)


def _compress(config: ResolvedConfig) -> Iterator[Compress]:
    machine = config.machine
    served = (*nginx.served(config), *sites.served_by_sites(config)) if config.nginx else ()
    for folder in (each.root for each in served if each.kind == "STATIC"):
        yield Compress(
            PurePosixPath(folder),
            machine.python,
            machine.own_python,
            machine.served.parent / "static" / "compression.py",
            environment.of_process_1(config.settings, machine),
            config.run_as,
        )


def _release(config: ResolvedConfig) -> Iterator[Run]:
    if release := _own_release(config):
        account = programs.user_account(config, release)
        surroundings = environment.for_application(config.settings, config.machine, config.settings_module)
        yield Run(
            RELEASE,
            programs.user_command(config, release),
            {**surroundings, **(account.variables if account else {}), **release.environment},
            config.machine.app_dir / (release.directory or ""),
            config.settings.hooks_timeout,
            account,
            config.progress("running the release"),
        )


def _own_release(config: ResolvedConfig) -> UserProgram | None:
    return next((own for own in config.settings.chosen if own.name == RELEASE), None)


def _early_server(config: ResolvedConfig) -> Iterator[Start]:
    """Yield the start of the application server, which loads the application during the next steps.

    Usually these steps change nothing. If one does, or if the database was not reachable yet, the server starts again.
    """
    changes = config.machine.hooks.prepare or _own_release(config)  # either may change the application
    if config.server and config.opens_early and not changes:
        server = programs.application_server(config, config.server)
        why = "and again if a later step changes what it has loaded"
        yield Start(server, config.machine.app_dir, _environment(config), why, loads=True)


def _serve(config: ResolvedConfig) -> Iterator[Serve]:
    if config.opens_early:
        yield Serve(programs.nginx(config), Progress(config.www, "starting application"))


def _validations(config: ResolvedConfig, files: tuple[File, ...]) -> Iterator[Step]:
    by_name = {file.path.name: file for file in files}
    if config.nginx:
        yield ValidateNginx(
            (*programs.nginx(config).in_roots_environment, "-t", "-q"),
            (by_name["nginx.conf"], by_name["nginx-app.conf"]),
            environment.of_process_1(config.settings, config.machine),
            () if config.machine.nginx_conf is not None else config.machine.http_files,
            config.machine.server_files,
            user_certificate(config),
        )
    # The parser takes 50 ms to import. Without text of the user's, only `entrypoint check` uses it, not every boot.
    if config.user_programs or config.machine.supervisor_files or templates.SUPERVISORD in config.machine.templates:
        yield ValidateSupervisord(by_name[filenames.SUPERVISORD_CONF.name])


def make_exec(config: ResolvedConfig) -> Exec:
    """Return the exec of supervisord."""
    # With this process's interpreter: as root it must not load modules from the environment or from a home.
    command = (str(config.machine.own_python), "-I" if config.machine.root else "-P", str(config.path("supervisord")))
    return Exec(
        argv=(*command, "-n", "-c", str(config.run_dir / filenames.SUPERVISORD_CONF)),
        directory=config.machine.app_dir,
        environment=environment.of_process_1(config.settings, config.machine),
        programs=_environment(config),
        handover=config.run_dir / filenames.HANDOVER,
        timeline=config.run_dir / filenames.TIMELINE,
    )


def _environment(config: ResolvedConfig) -> Mapping[str, str]:
    return environment.for_programs(config.settings, config.machine, config.settings_module)
