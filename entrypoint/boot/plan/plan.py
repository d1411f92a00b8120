"""The order of the steps: pure functions of the resolved configuration."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from entrypoint.boot.decisions import environment
from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.decisions.decide import decide
from entrypoint.boot.decisions.folders.artifacts import File, Progress
from entrypoint.boot.decisions.folders.run_dir import HANDOVER_FILE, TIMELINE_FILE
from entrypoint.boot.decisions.programs import certificates, programs
from entrypoint.boot.decisions.programs.programs import Program
from entrypoint.boot.facts import templates
from entrypoint.boot.facts.machine import BROUGHT_BY, Facts
from entrypoint.boot.facts.user_files import NGINX_FOLDER
from entrypoint.boot.files import configuration, maintenance, nginx, protection, sites, supervisor_files
from entrypoint.boot.plan import log_files
from entrypoint.boot.plan.application_warnings import application_warnings
from entrypoint.boot.plan.check_steps import (
    CheckPages,
    CheckPasswords,
    CheckPort,
    CheckReadable,
    CheckSpace,
    CheckWritable,
    FindPrograms,
    ValidateNginx,
    ValidateSupervisord,
)
from entrypoint.boot.plan.config_warnings import warnings
from entrypoint.boot.plan.file_steps import (
    HandOver,
    KeepCertificate,
    Link,
    MakeCertificate,
    MakeDirectories,
    MakeStore,
    TakeCertificate,
    WriteFiles,
)
from entrypoint.boot.plan.hook_steps import around
from entrypoint.boot.plan.preparation import preparation
from entrypoint.boot.plan.sources_used import compatibility, sources_used
from entrypoint.boot.plan.steps import (
    SERVE,
    Compress,
    EmptyMetrics,
    Exec,
    Read,
    Reload,
    Run,
    Serve,
    Start,
    Step,
)
from entrypoint.boot.settings.programs.user_programs import RELEASE, UserProgram
from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.settings.tls import FILES
from entrypoint.errors import Unusable


@dataclass(frozen=True)
class Plan:
    """What a boot does: the steps in their order, then the exec."""

    steps: tuple[Step, ...]
    exec: Exec

    @property
    def files(self) -> tuple[File, ...]:
        """The files that the plan writes, in their final form."""
        return written(self.steps, "render")


def opening(config: ResolvedConfig) -> tuple[Step, ...]:
    """Return the first steps. `config` does not know the application yet. Raises Unusable."""
    names = {program.name for program in _programs(config)}
    machine = config.machine
    problems = (*machine.hooks.problems, *supervisor_files.problems(machine.supervisor_files, names))
    Unusable.check((*problems, *certificates.problems(config)))
    return tuple(_opening(config))


def _hand_over(config: ResolvedConfig) -> Iterator[HandOver]:
    if config.handed_over:
        account, others = config.machine.account, config.machine.accounts.values()
        yield HandOver(config.handed_over, account, tuple(sorted({each.uid for each in others} - {account.uid})))


def start(config: ResolvedConfig, begun: Iterable[Step]) -> tuple[Step, ...]:
    """Return the steps after `begun`, the opening. Of the application, `config` needs only the settings.

    Raises Unusable if the settings contradict each other or a file cannot hold a text.
    """
    supervised = _programs(config)
    files = tuple(configuration.files(config, supervised))
    return (
        *sources_used(config),
        *_hand_over(config),
        WriteFiles(files),
        *_early_server(config),
        *_validations(config, supervised, files),
        *([Reload(programs.nginx(config))] if not set(written(begun, SERVE)).issubset(files) else []),
    )


def rest(config: ResolvedConfig, *, ahead: bool = False) -> tuple[Step, ...]:
    """Return the remaining steps, for a boot or `ahead` of one. `config` needs all facts. Raises Unusable."""
    # An image build prepares ahead of a boot, without the container's environment and volumes: warnings would be wrong.
    told = () if ahead else application_warnings(config)
    return (
        *told,
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


def _opening(config: ResolvedConfig) -> Iterator[Step]:
    yield Read("settings", f"read the settings: {', '.join(config.settings.given()) or 'none is set'}")
    yield from compatibility(config)
    yield from warnings(config)
    kept = config.settings.secret_key_file
    if kept and config.settings.origins.get("SECRET_KEY") == str(kept):
        yield Read("secret-key", f"keep SECRET_KEY in {kept}")
    if config.settings.chosen or config.settings.roles:
        yield Read("programs", f"run {', '.join(_sources(config)) or 'no program'}")
    yield FindPrograms(dict(_needed(config)))
    if config.settings.serves:
        behind = [config.bind] if config.nginx and config.bind else []
        behind += map(config.bind_of_site, config.sites)
        yield CheckPort((*config.addresses, *config.redirecting, *behind))
    if config.metrics_addresses:
        yield CheckPort(config.metrics_addresses, "ENTRYPOINT_METRICS_PORT")
    if pair := _pair(config):
        yield CheckReadable(dict(zip(("NGINX_TLS_CERTIFICATE", "NGINX_TLS_KEY"), pair, strict=True)))
    if config.settings.basic_auth_file and config.nginx:
        yield CheckPasswords(config.settings.basic_auth_file, config.run_as)
    if files := log_files.named(_programs(config), config.settings.programs):
        yield CheckWritable(files)
    yield from space(config)
    yield MakeDirectories(
        configuration.directories(config),
        configuration.run_files(config),
        stale=(*config.stale_files, *_ended(config)),
    )
    yield from _certificate(config)
    if links := configuration.links(config):
        yield Link(links, PurePosixPath(NGINX_FOLDER))
    yield from _metrics_folder(config)
    if config.opens_early:
        yield WriteFiles(configuration.starting_files(config, _programs(config)), name=SERVE)
        why = "which says that the site is starting until all is prepared"
        progress = config.progress("loading application")
        yield Start(
            programs.nginx(config), config.machine.app_dir, _environment(config), why, loads=False, progress=progress
        )


def space(config: ResolvedConfig) -> Iterator[CheckSpace]:
    """Yield the check of the space that the cache needs, in the run directory of `config`."""
    if config.nginx and config.settings.cache:
        text = config.settings.texts["NGINX_CACHE"]
        yield CheckSpace(config.run_dir, config.settings.cache, text, config.machine.limits.memory)


def _metrics_folder(config: ResolvedConfig) -> Iterator[EmptyMetrics]:
    """Yield the step that empties the folder where the application's processes write their own metrics."""
    for variable in environment.MULTIPROCESS_METRICS:
        if folder := config.settings.environment.get(variable):
            yield EmptyMetrics(folder, variable, config.machine.app_dir, config.run_as)


def _ended(config: ResolvedConfig) -> tuple[PurePosixPath, ...]:
    """Return the files of a maintenance if ENTRYPOINT_DATA_DIR knows of none: another container has ended it."""
    known = config.settings.data_dir is not None and config.machine.maintenance is None
    return maintenance.paths(config) if known and config.nginx else ()


def _needed(config: ResolvedConfig) -> Iterator[tuple[str, PurePosixPath | None]]:
    """Yield each program that must be installed, and its path."""
    if config.nginx:
        yield "nginx", config.machine.programs.get("nginx")
    if config.server and config.server.name in BROUGHT_BY:
        yield config.server.name, config.machine.programs.get(config.server.name)
    for name in certificates.needed(config):
        yield name, config.machine.programs.get(name)
    yield "supervisord", config.machine.programs.get("supervisord")
    for own in config.settings.chosen:
        yield f"{own.command[0]} for {own.name}", config.machine.commands.get(own.name)


def _sources(config: ResolvedConfig) -> Iterator[str]:
    """Yield each program of this container, and the source that declares it."""
    for program in _programs(config):
        own = config.settings.programs.get(program.name)
        yield f"{program.name} ({own.source if own else 'ours'})"


def _certificate(config: ResolvedConfig) -> Iterator[Step]:
    """Yield the steps that bring the certificate which nginx reads when it starts."""
    file = config.certificate_file
    if file and config.store and config.settings.acme:
        yield MakeStore(config.store)
        if config.secured:
            yield TakeCertificate(config.store, file)
    elif file and not config.settings.acme:
        yield MakeCertificate(config.path("openssl"), ("localhost", *config.settings.tls_domains), file, config.store)
        if config.store:
            yield KeepCertificate(file, config.store)


def _pair(config: ResolvedConfig) -> tuple[PurePosixPath, PurePosixPath] | None:
    """Return the user's certificate and its key, if nginx reads those."""
    certificate, key = config.settings.tls_certificate, config.settings.tls_key
    used = config.settings.tls_source == FILES and config.settings.serves
    return (certificate, key) if used and certificate and key else None


def _programs(config: ResolvedConfig) -> tuple[Program, ...]:
    return (
        *([programs.application_server(config, config.server)] if config.server else []),
        *([programs.user_server(config, config.own_server, config.bind)] if config.own_server and config.bind else []),
        *([programs.nginx(config)] if config.nginx else []),
        *([certificates.program(config)] if config.nginx and config.settings.acme else []),
        *(_user_program(config, own) for own in config.user_programs),
    )


def _user_program(config: ResolvedConfig, own: UserProgram) -> Program:
    serves = own in config.sites
    return programs.user_server(config, own, config.bind_of_site(own)) if serves else programs.user_program(config, own)


def _pages(config: ResolvedConfig) -> Iterator[CheckPages]:
    """Yield the check of the error pages, which exist only once the static files are collected."""
    found = protection.pages(config, nginx.static_root(config)) if config.nginx else ()
    if pages := {page.status: page.path for page in found if not page.rendered}:
        yield CheckPages(pages)


def _compress(config: ResolvedConfig) -> Iterator[Compress]:
    if config.nginx:
        machine = config.machine
        for each in (*nginx.served(config), *sites.served_by_sites(config)):
            if each.kind == "STATIC":
                yield Compress(
                    PurePosixPath(each.root),
                    machine.python,
                    machine.own_python,
                    machine.served.parent / "static" / "compression.py",
                    environment.of_process_1(config.settings, machine),
                    config.run_as,
                )


def _release(config: ResolvedConfig) -> Iterator[Run]:
    if release := _own_release(config):
        account = programs.user_account(config, release)
        surroundings = environment.for_application(config.settings, config.machine, _settings_module(config))
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


def _early_server(config: ResolvedConfig) -> tuple[Start, ...]:
    """Return the start of the application server, which loads the application during the next steps.

    Usually these steps change nothing. If one does, or if the database was not reachable yet, the server starts again.
    """
    if config.server is None or not config.opens_early or config.machine.hooks.prepare or _own_release(config):
        return ()  # a hook or a release may change the application
    why = "again if a step below changes what it has loaded"
    return (
        Start(
            programs.application_server(config, config.server),
            config.machine.app_dir,
            _environment(config),
            why,
            loads=True,
        ),
    )


def _serve(config: ResolvedConfig) -> Iterator[Serve]:
    if config.opens_early:
        yield Serve(programs.nginx(config), Progress(config.www, "starting application"))


def _validations(config: ResolvedConfig, supervised: tuple[Program, ...], files: tuple[File, ...]) -> Iterator[Step]:
    by_name = {file.path.name: file for file in files}
    for program in supervised:
        if program.name == "nginx":
            command = (*program.in_roots_environment, "-t", "-q")
            surroundings = environment.of_process_1(config.settings, config.machine)
            yield ValidateNginx(
                command,
                (by_name["nginx.conf"], by_name["nginx-app.conf"]),
                surroundings,
                () if config.machine.nginx_conf is not None else config.machine.http_files,
                config.machine.server_files,
                _pair(config),
            )
    # The parser takes 50 ms to import. Without text of the user's, only `entrypoint check` uses it, not every boot.
    if config.user_programs or config.machine.supervisor_files or templates.SUPERVISORD in config.machine.templates:
        yield ValidateSupervisord(by_name["supervisord.conf"])


def make_exec(config: ResolvedConfig) -> Exec:
    """Return the exec of supervisord."""
    # With this process's interpreter: as root it must not load modules from the environment or from a home.
    command = (str(config.machine.own_python), "-I" if config.machine.root else "-P", str(config.path("supervisord")))
    return Exec(
        argv=(*command, "-n", "-c", str(config.run_dir / "supervisord.conf")),
        directory=config.machine.app_dir,
        environment=environment.of_process_1(config.settings, config.machine),
        programs=_environment(config),
        handover=config.run_dir / HANDOVER_FILE,
        timeline=config.run_dir / TIMELINE_FILE,
    )


def _environment(config: ResolvedConfig) -> Mapping[str, str]:
    return environment.for_programs(config.settings, config.machine, _settings_module(config))


def _settings_module(config: ResolvedConfig) -> str | None:
    return config.application.settings_module if config.application else config.settings.settings_module
