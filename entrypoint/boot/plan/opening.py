"""The first steps of a boot: everything that can be checked and started before the application is known."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from entrypoint.boot.decisions import environment
from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.decisions.programs import certificates, programs
from entrypoint.boot.decisions.programs.programs import Program
from entrypoint.boot.decisions.programs.supervised import supervised
from entrypoint.boot.facts.installed import BROUGHT_BY
from entrypoint.boot.facts.user_files import NGINX_FOLDER
from entrypoint.boot.files import configuration, maintenance, supervisor_files
from entrypoint.boot.plan import check_steps, file_steps
from entrypoint.boot.plan.config_warnings import warnings
from entrypoint.boot.plan.sources_used import compatibility
from entrypoint.boot.plan.steps import SERVE, EmptyMetrics, Read, Start, Step
from entrypoint.boot.settings.programs.user_programs import NGINX
from entrypoint.boot.settings.tls import FILES
from entrypoint.errors import Unusable


def opening(config: ResolvedConfig) -> tuple[Step, ...]:
    """Return the first steps. `config` does not know the application yet. Raises Unusable."""
    here = supervised(config)
    Unusable.check(
        (
            *config.machine.hooks.problems,
            *supervisor_files.problems(config.machine.supervisor_files, {program.name for program in here}),
            *certificates.problems(config),
        )
    )
    return (
        *_sources(config, here),
        *_checks(config, here),
        file_steps.MakeDirectories(
            configuration.directories(config),
            configuration.run_files(config),
            stale=(*config.stale_files, *_ended(config)),
        ),
        *_certificate(config),
        *_links(config),
        *_metrics_folder(config),
        *_starting_page(config),
    )


def _sources(config: ResolvedConfig, here: Iterable[Program]) -> Iterator[Read]:
    yield Read("settings", f"read the settings: {', '.join(config.settings.given()) or 'none is set'}")
    yield from compatibility(config)
    yield from warnings(config)
    kept = config.settings.secret_key_file
    if kept and config.settings.origins.get("SECRET_KEY") == str(kept):
        yield Read("secret-key", f"keep SECRET_KEY in {kept}")
    if config.settings.chosen or config.settings.roles:
        own = config.settings.programs
        names = (f"{each.name} ({own[each.name].source if each.name in own else 'built in'})" for each in here)
        yield Read("programs", f"run {', '.join(names) or 'no program'}")


def _checks(config: ResolvedConfig, here: Iterable[Program]) -> Iterator[Step]:
    yield check_steps.FindPrograms(_needed(config))
    if config.settings.serves:
        behind = [config.bind] if config.nginx and config.bind else []
        behind += map(config.bind_of_site, config.sites)
        yield check_steps.CheckPort((*config.addresses, *config.redirecting, *behind))
    if config.metrics_addresses:
        yield check_steps.CheckPort(config.metrics_addresses, "ENTRYPOINT_METRICS_PORT")
    if pair := user_certificate(config):
        yield check_steps.CheckReadable(dict(zip(("NGINX_TLS_CERTIFICATE", "NGINX_TLS_KEY"), pair, strict=True)))
    if config.settings.basic_auth_file and config.nginx:
        yield check_steps.CheckPasswords(config.settings.basic_auth_file, config.run_as)
    if files := _log_files(config, here):
        yield check_steps.CheckWritable(files)
    yield from space(config)


def _needed(config: ResolvedConfig) -> Mapping[str, PurePosixPath | None]:
    """Return the path of each program that must be installed; None if it is missing."""
    ours = [NGINX] if config.nginx else []
    ours += [config.server.name] if config.server and config.server.name in BROUGHT_BY else []
    ours += [*certificates.needed(config), "supervisord"]
    users = {
        f"{own.command[0]} for {own.name}": config.machine.commands.get(own.name) for own in config.settings.chosen
    }
    return {**{name: config.machine.programs.get(name) for name in ours}, **users}


def user_certificate(config: ResolvedConfig) -> tuple[PurePosixPath, PurePosixPath] | None:
    """Return the user's certificate and its key, if nginx reads those."""
    certificate, key = config.settings.tls_certificate, config.settings.tls_key
    used = config.settings.tls_source == FILES and config.settings.serves
    return (certificate, key) if used and certificate and key else None


def _log_files(config: ResolvedConfig, here: Iterable[Program]) -> Mapping[PurePosixPath, str]:
    """Return each log file with the key that names it. Raises Unusable if two programs would rotate the same file."""
    found: dict[PurePosixPath, str] = {}
    problems = []
    for program in here:
        for file in program.log_files:
            key = config.settings.programs[program.name].describe("log")
            if file in found:
                problems.append(f"cannot use {key}: another program logs to that file")
            found[file] = key
    Unusable.check(problems)
    return found


def space(config: ResolvedConfig) -> Iterator[check_steps.CheckSpace]:
    """Yield the check of the space that the cache needs, in the run directory of `config`."""
    if config.nginx and config.settings.cache:
        text = config.settings.texts["NGINX_CACHE"]
        yield check_steps.CheckSpace(config.run_dir, config.settings.cache, text, config.machine.limits.memory)


def _metrics_folder(config: ResolvedConfig) -> Iterator[EmptyMetrics]:
    """Yield the step that empties the folder where the application's processes write their own metrics."""
    for variable in environment.MULTIPROCESS_METRICS:
        if folder := config.settings.environment.get(variable):
            yield EmptyMetrics(folder, variable, config.machine.app_dir, config.run_as)


def _ended(config: ResolvedConfig) -> tuple[PurePosixPath, ...]:
    """Return the files of a maintenance that another container has ended: ENTRYPOINT_DATA_DIR has no record of it."""
    known = config.settings.data_dir is not None and config.machine.maintenance is None
    return maintenance.paths(config) if known and config.nginx else ()


def _certificate(config: ResolvedConfig) -> Iterator[Step]:
    """Yield the steps that provide the certificate before nginx starts."""
    file = config.certificate_file
    if file and config.store and config.settings.acme:
        yield file_steps.MakeStore(config.store)
        if config.secured:
            yield file_steps.TakeCertificate(config.store, file)
    elif file and not config.settings.acme:
        yield file_steps.MakeCertificate(
            config.path("openssl"), ("localhost", *config.settings.tls_domains), file, config.store
        )
        if config.store:
            yield file_steps.KeepCertificate(file, config.store)


def _links(config: ResolvedConfig) -> Iterator[file_steps.Link]:
    if links := configuration.links(config):
        yield file_steps.Link(links, PurePosixPath(NGINX_FOLDER))


def _starting_page(config: ResolvedConfig) -> Iterator[Step]:
    if config.opens_early:
        yield file_steps.WriteFiles(configuration.starting_files(config), name=SERVE)
        yield Start(
            programs.nginx(config),
            config.machine.app_dir,
            environment.for_programs(config.settings, config.machine, config.settings_module),
            "which shows the starting page until the boot is done",
            loads=False,
            progress=config.progress("loading application"),
        )
