"""The mistakes in one container of a manifest: in its stop, its ports and its probes."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from entrypoint.boot.decisions import stop_budget
from entrypoint.boot.manifest.containers import Container, Probe, runs_entrypoint
from entrypoint.boot.manifest.evaluated import Evaluated
from entrypoint.boot.settings.settings import Settings

LIVE: Final = "/-/live"
READY: Final = "/-/ready"
_DRAIN: Final = "ENTRYPOINT_DRAIN_DELAY"


class Ports(NamedTuple):
    """Where a site listens."""

    site: frozenset[int]  # the port of the site; two if it depends on the image's user
    tls: bool
    redirect: frozenset[int]  # the port that redirects to TLS

    @property
    def every(self) -> frozenset[int]:
        """All ports."""
        return self.site | self.redirect

    def __str__(self) -> str:
        return " or ".join(map(str, sorted(self.site)))


def of_container(found: Evaluated) -> Iterator[str]:
    """Yield each mistake: the reason and the remedy."""
    settings = found.settings
    if settings is None or not found.container.boots:
        return
    yield from _stop(found, settings)
    if not found.knows("ENTRYPOINT_PROGRAMS"):
        return
    if settings.serves:
        yield from _drain(found, settings)
        listens = ports(found, settings)
        if listens:
            yield from _published(found.container, listens)
        for probe in found.container.probes:
            yield from _probe(found, settings, probe, listens)
    else:
        for probe in found.container.probes:
            if probe.path in (LIVE, READY):
                use = f"no site runs in this container; use {found.container.engine.health}"
                yield f"{probe.where} asks for {probe.path}, but {use}"
    for probe in found.container.probes:
        if probe.kills and (probe.path == READY or _asks_whether_ready(probe.command)):
            yield (
                f"{probe.where} fails during each boot and migration, and then kills the container; "
                f"use {LIVE if probe.path else 'entrypoint health live'}"
            )


def ports(found: Evaluated, settings: Settings) -> Ports | None:
    """Return where the site listens; None if it cannot be known."""
    if not all(map(found.knows, ("PORT", "NGINX_TLS_CERTIFICATE", "ENTRYPOINT_PROGRAMS"))):
        return None
    users = (True, False) if found.container.root is None else (found.container.root,)
    redirects = (settings.redirect_on(root=root) for root in users)
    return Ports(
        frozenset(settings.listen_on(root=root).port for root in users),
        settings.tls,
        frozenset(each.port for each in redirects if each),
    )


def _stop(found: Evaluated, settings: Settings) -> Iterator[str]:
    container = found.container
    if container.grace is None or not found.knows("ENTRYPOINT_STOP_TIMEOUT"):
        return
    needed = settings.stop_timeout + container.pre_stop
    if stop_budget.fits(needed, container.grace):
        return
    engine = container.engine
    default = "" if container.grace_given else ", the default"
    hook = f" and the preStop hook {container.pre_stop:g} s" if container.pre_stop else ""
    seconds = engine.seconds.format(stop_budget.grace_for(needed))
    yield (
        f"{engine.name} kills after {container.grace:g} s ({engine.grace}{default}), but a stop may take "
        f"{settings.stop_timeout:g} s (ENTRYPOINT_STOP_TIMEOUT){hook}; set {engine.grace}: {seconds}"
    )


def _drain(found: Evaluated, settings: Settings) -> Iterator[str]:
    container = found.container
    if container.endpoints and not settings.drain_delay and not container.pre_stop and found.knows(_DRAIN):
        yield (
            "requests still arrive until Kubernetes has removed a stopping pod from all endpoints, and are refused; "
            f"set {_DRAIN}=5s and ENTRYPOINT_STOP_TIMEOUT=25s"
        )


def _published(container: Container, listens: Ports) -> Iterator[str]:
    if container.ports and listens.every.isdisjoint(container.ports):
        given, first = ", ".join(map(str, container.ports)), container.ports[0]
        yield f"nothing listens on port {given}, the site listens on {listens}; set PORT={first}, or use {listens}"


def _probe(found: Evaluated, settings: Settings, probe: Probe, listens: Ports | None) -> Iterator[str]:
    container = found.container
    if probe.port is None:
        return
    number = container.number_of(probe.port)
    if number is None:
        yield f"{probe.where} asks the port {probe.port}, but the container names no such port; add it to its ports"
        return
    if listens and number not in listens.every:
        yield f"{probe.where} asks port {number}, but the site listens on {listens}; {_remedy(container, listens)}"
        return
    if probe.path is None:
        return
    if listens and probe.tls is not (listens.tls and number in listens.site):
        scheme, other = ("HTTPS", "HTTP") if probe.tls else ("HTTP", "HTTPS")
        yield f"{probe.where} speaks {scheme} to port {number}, which speaks {other}; set scheme: {other}"
    if found.knows("ENTRYPOINT_NGINX") and found.knows("DJANGO_ENV"):
        yield from _path(container, settings, probe)


def _path(container: Container, settings: Settings, probe: Probe) -> Iterator[str]:
    if not settings.behind_nginx:
        if (probe.path or "").startswith("/-/"):
            yield f"{probe.where} asks for {probe.path}, but no nginx answers that here; use {container.engine.health}"
    elif probe.path not in (LIVE, READY, settings.ready_path) and not probe.host:
        usual = LIVE if probe.where in ("startupProbe", "livenessProbe") else READY
        asked = f"; with ENTRYPOINT_READY_PATH={probe.path} it asks the application too" if usual == READY else ""
        yield (
            f"{probe.where} asks the application for {probe.path}, which refuses a Host that is not in ALLOWED_HOSTS; "
            f"use {usual}{asked}"
        )


def _asks_whether_ready(command: tuple[str, ...]) -> bool:
    words = " ".join(command).split()
    return runs_entrypoint(command) and "health" in words and "live" not in words


def _remedy(container: Container, listens: Ports) -> str:
    """Return how to let a probe reach the site."""
    if len(listens.site) == 1:
        return f"use {listens}"
    return f"set PORT={container.ports[0] if container.ports else 8080} and use that"
