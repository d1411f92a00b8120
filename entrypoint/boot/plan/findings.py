"""The findings of `entrypoint doctor` that follow from the resolved configuration alone: problems and remedies."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from entrypoint.boot.decisions import overrides, sizing, stop_budget
from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.facts.machine import NO_LIMIT
from entrypoint.boot.files import nginx
from entrypoint.protocol.agent import UNKNOWN, Application

RUN: Final = "an option of docker run"
DOCKERFILE: Final = "in the Dockerfile"
ENVIRONMENT: Final = "in the environment"
PROXY: Final = "in the environment, if nobody but your proxy connects from there"
SETTINGS: Final = "in Django's settings"
POD: Final = "in the pod's spec"
SHELL: Final = "as root, where the volume is mounted"

_MIB: Final = 1 << 20
_TOO_MANY_DESCRIPTORS: Final = 1 << 20
_USUAL_PORT: Final = 8080
_EVERY_HOST: Final = "_"


class Finding(NamedTuple):
    """One finding."""

    problem: str
    remedy: str = ""
    """The line to paste that fixes it; empty if there is none."""
    where: str = ""
    """Where that line belongs, in words."""
    wrong: bool = True
    """False if the container cannot see whether it is a problem; then it does not change the exit code."""


def of_message(text: str) -> Finding:
    """Return the finding for a message of ours, `cannot <verb> <what>: <why>; <what mends it>`."""
    problem, _, remedy = text.removeprefix("warning: ").partition("; ")
    return Finding(problem, remedy)


def of_database(text: str) -> Finding:
    """Return the finding for what the agent says about a database."""
    found = of_message(text.removeprefix(UNKNOWN))
    where = ENVIRONMENT if found.remedy.startswith("WEB_CONCURRENCY=") else ""
    return found._replace(where=where, wrong=not text.startswith(UNKNOWN))


def of_config(config: ResolvedConfig, network: str) -> Iterator[Finding]:
    """Yield what follows from the settings and facts. `network` is that of the container, with its proxy, if known."""
    yield from _port(config)
    yield from _account(config)
    yield from _descriptors(config)
    yield from _memory(config)
    if config.application and config.server_name:
        yield from _https(config, config.application, network)
        yield from _hosts(config, config.application)
    yield from _stop(config)


def _port(config: ResolvedConfig) -> Iterator[Finding]:
    port, lowest = config.listen.port, config.machine.lowest_port
    if config.settings.serves and not config.machine.root and port < lowest:
        problem = f"cannot listen on port {port}: an ordinary user may not use the ports below {lowest} here"
        higher = max(lowest, _USUAL_PORT)
        yield Finding(problem, f"--env PORT={higher} --publish {port}:{higher}", RUN)


def _account(config: ResolvedConfig) -> Iterator[Finding]:
    account = config.machine.account
    if account.name is None:
        group = f" --gid {account.gid}" if account.group else ""
        yield Finding(
            f"uid {account.uid} has no passwd entry: programs that ask for its name fail, such as ssh, git and psql",
            f"RUN useradd --no-create-home --uid {account.uid}{group} app",
            DOCKERFILE,
        )


def _descriptors(config: ResolvedConfig) -> Iterator[Finding]:
    most, soft = config.machine.most_descriptors, config.machine.descriptors
    wanted = nginx.wanted_descriptors(config) if config.nginx else 0
    if most < wanted:
        problem = f"the limit of open files is {most}: nginx needs {wanted} for {config.settings.worker_connections}"
        yield Finding(f"{problem} connections a worker", f"--ulimit nofile={wanted}:{wanted}", RUN)
    elif soft > _TOO_MANY_DESCRIPTORS:
        problem = (
            f"the limit of open files is {soft if soft < NO_LIMIT else 'infinite'}: programs that close each possible"
        )
        yield Finding(f"{problem} descriptor when they start take minutes", "--ulimit nofile=65536:65536", RUN)


def _memory(config: ResolvedConfig) -> Iterator[Finding]:
    limit = config.machine.limits.memory
    own, workers = overrides.workers(config), overrides.workers_of(config)
    if limit is None or config.server is None or config.server.worker_variables is None:
        return
    needed, fitting = sizing.memory_for(workers), sizing.server_workers(config.machine.limits)
    if needed <= limit:
        return
    who = "1 worker of an ordinary site needs" if workers == 1 else f"{workers} workers of an ordinary site need"
    problem = f"{who} {needed // _MIB} MiB, and the memory limit is {limit // _MIB} MiB"
    if fitting < workers:
        name = own.name if own and own.text.isdecimal() else "WEB_CONCURRENCY"
        yield Finding(problem, f"{name}={fitting}", ENVIRONMENT)
    else:
        yield Finding(problem, f"--memory {needed // _MIB}m", RUN)


def _https(config: ResolvedConfig, application: Application, network: str) -> Iterator[Finding]:
    """Yield the problems of an application that expects HTTPS, if nginx serves no TLS and no proxy is trusted."""
    if config.settings.tls or config.settings.proxies:
        return
    remedy = f"FORWARDED_ALLOW_IPS={network or 'the addresses of the proxy'}"
    if application.ssl_redirect:
        problem = "SECURE_SSL_REDIRECT is on and no proxy is trusted: each request is redirected to https, endlessly"
        yield Finding(problem, remedy, PROXY)
        return
    names = ["SECURE_PROXY_SSL_HEADER"] if application.proxy_ssl_header and config.nginx else []
    names += [origin for origin in application.csrf_trusted_origins if origin.startswith("https://")]
    if names:
        problem = f"{', '.join(names)}: behind a proxy that ends TLS, Django sees http, since no proxy is trusted"
        yield Finding(problem, remedy, PROXY, wrong=False)


def _hosts(config: ResolvedConfig, application: Application) -> Iterator[Finding]:
    """Yield each name that nginx serves and Django refuses."""
    if application.debug and not application.allowed_hosts:
        return
    canonical = (config.settings.canonical_host or "").partition(":")[0]
    named = [("NGINX_SERVER_NAME", name) for name in config.settings.server_names]
    named += [("NGINX_CANONICAL_HOST", canonical)] if canonical not in ("", *config.settings.server_names) else []
    for setting, name in named:
        if name == _EVERY_HOST or name.startswith("~"):
            continue
        plain = name.removeprefix("*.").removeprefix(".").lower()
        if not any(_allows(host.lower(), plain) for host in application.allowed_hosts):
            allowed = f".{plain}" if plain != name.lower() else plain
            problem = f"{setting} names {name}, and ALLOWED_HOSTS does not: Django answers with 400"
            yield Finding(problem, f'ALLOWED_HOSTS += ["{allowed}"]', SETTINGS)


def _allows(pattern: str, host: str) -> bool:
    """Return whether an entry of ALLOWED_HOSTS allows the host, as Django documents that setting."""
    return pattern in {"*", host} or (pattern.startswith(".") and (host.endswith(pattern) or host == pattern[1:]))


def _stop(config: ResolvedConfig) -> Iterator[Finding]:
    """Yield the option by which the engine waits for a stop. The container cannot see whether it is set."""
    kubernetes = "KUBERNETES_SERVICE_HOST" in config.settings.environment
    timeout = config.settings.stop_timeout
    if engine := stop_budget.engine_setting(timeout, kubernetes=kubernetes):
        default = stop_budget.engine_default(timeout, kubernetes=kubernetes)
        where = POD if kubernetes else "an option of docker run, or in the pod's spec"
        yield Finding(f"a stop may take {timeout:g} s: without this setting {default}", engine, where, wrong=False)
