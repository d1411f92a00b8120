"""The folders and files of the configuration, and the files' texts."""

import math
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

from entrypoint.boot.decisions import address, stop_budget
from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.decisions.folders.artifacts import Directory, File, Progress
from entrypoint.boot.decisions.programs import certificates, programs
from entrypoint.boot.decisions.programs.programs import Program
from entrypoint.boot.decisions.programs.supervised import supervised
from entrypoint.boot.facts import templates
from entrypoint.boot.facts.hooks import PRE_STOP, Hook
from entrypoint.boot.facts.maintenance import Allowed
from entrypoint.boot.files import adapted_nginx, maintenance
from entrypoint.boot.files.render import render, render_own
from entrypoint.boot.files.template_values import TemplateValues
from entrypoint.boot.settings.programs.user_programs import WEB
from entrypoint.boot.settings.types.addresses import LOOPBACK
from entrypoint.boot.trust.accounts import Account
from entrypoint.protocol import filenames
from entrypoint.protocol.codec import to_json
from entrypoint.protocol.supervision import (
    Identity,
    LogFormat,
    MetricsConfig,
    OnFailure,
    PreStopHook,
    ProgramConfig,
    SupervisionConfig,
)

MAINTENANCE_STATUS: Final = 503


def directories(config: ResolvedConfig) -> tuple[Directory, ...]:
    """Return the folders that a boot creates."""
    # nginx's master follows links in its folder. If the master is root, nobody else may write there.
    master = None if config.nginx_switches else config.run_as
    return (
        Directory(config.run_dir, 0o755),
        Directory(config.www, 0o755, inner=True),
        Directory(config.run_dir / "app", 0o750, config.run_as, inner=True),
        *([Directory(config.run_dir / "nginx", 0o755, master, inner=True)] if config.nginx else []),
        *([Directory(config.certificate_file.parent, 0o700, inner=True)] if config.certificate_file else []),
    )


def run_files(config: ResolvedConfig) -> tuple[PurePosixPath, ...]:
    """Return the files that a boot, supervisord and the servers write into those folders."""
    names = [name.removesuffix(".j2") for name in used(config) if not name.endswith(".html")]
    if config.nginx:
        pages = (*templates.PAGES, *_own_pages(config))
        names += [templates.NGINX_CONF, "nginx/nginx.pid", *(str(filenames.WWW / page) for page in pages)]
    if config.certificate_file:
        names += [str(filenames.CERTIFICATE), certificates.CONFIG, certificates.SECURED_CONF]
    names += [str(filenames.SUPERVISION), str(filenames.CONTROL_SOCKET), "supervisord.pid"]
    names += map(str, (filenames.HANDOVER, filenames.TIMELINE, filenames.HTTP_SOCKET))
    names += [str(filenames.REQUESTS)] if config.counts_requests else []
    paths = [config.run_dir / name for name in names] + ([config.statistics] if config.statistics else [])
    return tuple(dict.fromkeys((*paths, *config.readiness_files, *Progress(config.www, "").paths, config.socket)))


def links(config: ResolvedConfig) -> tuple[PurePosixPath, ...]:
    """Return the links to the files of /etc/nginx, for the relative includes of the user's own nginx files.

    nginx looks for `include mime.types` in the folder of nginx.conf, which is the run directory.
    """
    machine = config.machine
    own = {*templates.OF_NGINX, templates.NGINX_CONF} & machine.templates.keys()
    if not config.nginx or not (own or machine.http_files or machine.server_files):
        return ()
    ours = (*(directory.path for directory in directories(config)[1:]), *run_files(config))
    taken = {path.relative_to(config.run_dir).parts[0] for path in ours}
    return tuple(config.run_dir / name for name in machine.nginx_names if name not in taken)


def files(config: ResolvedConfig) -> Iterator[File]:
    """Yield the configuration files. Raises Unusable if a value cannot be written into its file."""
    values = TemplateValues(config, starting=False)
    if config.nginx and config.machine.nginx_conf is not None:
        text = adapted_nginx.adapted(config).text if config.machine.app_nginx_conf else config.machine.nginx_conf
        yield File(config.run_dir / templates.NGINX_CONF, text, source=str(config.own_nginx_conf))
    for template in used(config):
        yield _file(config, template, values)
    yield from _maintenance(config, values)
    if config.nginx and config.settings.acme:
        yield from _of_certificates(config)
    yield File(config.run_dir / filenames.SUPERVISION, to_json(_supervision(config)), source="the plan")


def _of_certificates(config: ResolvedConfig) -> Iterator[File]:
    content = certificates.configuration(config, programs.nginx(config))
    yield File(config.run_dir / certificates.CONFIG, to_json(content), source="the plan")
    if not config.secured:
        values = TemplateValues(config, starting=False, secured=True)
        rendered = _file(config, templates.OF_NGINX[-1], values)
        yield rendered._replace(path=config.run_dir / certificates.SECURED_CONF)


def starting_files(config: ResolvedConfig) -> tuple[File, ...]:
    """Return nginx's files before the application is known: they lack its static and media files."""
    values = TemplateValues(config, starting=True)
    shown = (*templates.PAGES, *_own_pages(config))
    rendered = (_file(config, template, values) for template in (*templates.OF_NGINX, *shown))
    return (*rendered, *_maintenance(config, values))


def _maintenance(config: ResolvedConfig, values: TemplateValues) -> tuple[File, ...]:
    """Return the files of a maintenance that began before this start; none if the site is in no maintenance."""
    allow = config.machine.maintenance
    if allow is None or not config.nginx or config.machine.nginx_conf is not None:
        return ()
    own = any(page.status == MAINTENANCE_STATUS for page in values.site.protection.pages)
    return maintenance_files(config, allow, values, own=own)


def maintenance_files(config: ResolvedConfig, allow: Allowed, values: TemplateValues, *, own: bool) -> tuple[File, ...]:
    """Return the files that put nginx into maintenance. `own`: the user's page for 503 is shown."""
    parts = maintenance.parts(config, allow, f"/-/pages/{MAINTENANCE_STATUS}.html" if own else None)
    return (*parts, _file(config, templates.MAINTENANCE_PAGE, values))


def _file(config: ResolvedConfig, template: str, values: TemplateValues) -> File:
    path = (config.www if template.endswith(".html") else config.run_dir) / template.removesuffix(".j2")
    if config.server and template == config.server.template:
        path = config.server_file or path
    if config.settings.conf_dir and template in config.machine.templates:
        own = config.settings.conf_dir / template
        return File(path, render_own(own, config.machine.templates[template], values.by_name), source=str(own))
    return File(path, render(template, values.by_name), source=template)


def used(config: ResolvedConfig) -> tuple[str, ...]:
    """Return the names of the templates that this boot renders."""
    own = config.machine.nginx_conf is not None
    nginx = (*templates.OF_NGINX[own:], *templates.PAGES) if config.nginx else ()
    wanted = {templates.SUPERVISORD, *nginx, config.server.template if config.server else None}
    return (*(name for name in templates.NAMES if name in wanted), *(_own_pages(config) if config.nginx else ()))


def _own_pages(config: ResolvedConfig) -> tuple[str, ...]:
    return tuple(name for name in templates.ERROR_PAGES if name in config.machine.templates)


def _supervision(config: ResolvedConfig) -> SupervisionConfig:
    here = supervised(config)
    processes = {program.name: program.processes for program in here}
    if config.server_name:
        processes[WEB] = processes[config.server_name]
    hooks = config.machine.hooks.of(PRE_STOP)
    timeout, drain = config.settings.stop_timeout, config.settings.drain_delay
    ours = config.nginx or config.inherits_socket
    return SupervisionConfig(
        ready_file=config.ready_file,
        stop_seconds=int(timeout),
        drain_seconds=math.ceil(drain),
        hook_seconds=stop_budget.hook_seconds(timeout, drain) if hooks else 0.0,
        on_failure=OnFailure(config.settings.on_failure),
        log_format=LogFormat(config.settings.log_format),
        log_timestamps=config.settings.log_timestamps == "on",
        quiet=config.settings.log_level != "debug",
        programs={process: _program(config, program, processes) for program in here for process in program.processes},
        address=address.of_site(config),
        listen=tuple(map(str, (*config.addresses, *config.redirecting))) if ours else (),
        pre_stop=tuple(map(_pre_stop, hooks)),
        second_socket=config.second_socket,
        metrics=_metrics(config),
    )


def _metrics(config: ResolvedConfig) -> MetricsConfig:
    certificate, allowed = config.certificate_file or config.settings.tls_certificate, config.settings.metrics_allow
    return MetricsConfig(
        socket=config.run_dir / filenames.HTTP_SOCKET,
        timeline=config.run_dir / filenames.TIMELINE,
        first_ready=config.run_dir / filenames.FIRST_READY,
        # nginx listens there, if it runs.
        listen=() if config.nginx else tuple(map(str, config.metrics_addresses)),
        allow=tuple(map(str, (*LOOPBACK, *allowed))) if allowed and not config.nginx else (),
        requests=config.run_dir / filenames.REQUESTS if config.counts_requests else None,
        server=config.server_name or "",
        upstream=config.upstream if config.server_name else "",
        uwsgi=config.statistics,
        certificates=(certificate,) if certificate and config.nginx and config.settings.tls else (),
        page=config.settings.status_page == "on",
    )


def _pre_stop(hook: Hook) -> PreStopHook:
    return PreStopHook(str(hook), hook.command, _identity(hook.account), as_root=hook.account is None)


def _identity(account: Account | None) -> Identity | None:
    return Identity(account.uid, account.gid, account.groups) if account else None


def _program(config: ResolvedConfig, program: Program, processes: Mapping[str, tuple[str, ...]]) -> ProgramConfig:
    timeout = config.settings.liveness_timeout
    return program.supervision._replace(
        # Nothing waits for a program that runs in another container.
        after=tuple(process for name in program.supervision.after for process in processes.get(name, ())),
        frozen_seconds=timeout if math.isfinite(timeout) else None,
        identity=_identity(program.identity),
    )
