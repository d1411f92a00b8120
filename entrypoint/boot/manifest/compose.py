"""The containers of a Compose file, or of a stack for Swarm."""

from collections.abc import Iterator
from contextlib import suppress

from entrypoint.boot.manifest import values
from entrypoint.boot.manifest.containers import COMPOSE, Container, Probe, Variables, command_of, probe_of
from entrypoint.boot.manifest.documents import Manifest
from entrypoint.boot.manifest.values import Table
from entrypoint.boot.settings.sources import textfile


def containers(manifest: Manifest) -> Iterator[Container]:
    """Yield the containers. A service that extends another is left to `docker compose config`, which merges both."""
    for document in manifest.documents:
        services = document.table("services")
        for name in services:
            service = services.table(name)
            if "extends" not in service:
                yield _container(manifest, name, service, services)


def extending(manifest: Manifest) -> Iterator[str]:
    """Yield the names of the services that extend others."""
    for document in manifest.documents:
        services = document.table("services")
        yield from (name for name in services if "extends" in services.table(name))


def _container(manifest: Manifest, name: str, service: Table, services: Table) -> Container:
    replaced, words = command_of(service.words("entrypoint"), service.words("command"))
    user, build, needed = service.text("user"), service.get("build"), service.table("depends_on")
    given = COMPOSE.grace in service
    return Container(
        file=manifest.name,
        where=f"service {name}",
        engine=COMPOSE,
        image=service.text("image") or "",
        variables=_variables(manifest, name, service),
        replaced=replaced,
        words=words,
        grace=service.seconds(COMPOSE.grace) if given else COMPOSE.usual_grace,
        grace_given=given,
        probes=tuple(_probes(service)),
        ports=tuple(_ports(service)),
        root=(user.partition(":")[0] in ("0", "root") if user else None),
        after=frozenset(
            f"service {each}"
            for each in needed.keys() & services.keys()
            if needed.table(each).text("condition") in ("service_completed_successfully", "service_healthy")
        ),
        builds=values.text(build.get("context", ".") if isinstance(build, Table) else build),
    )


def _variables(manifest: Manifest, name: str, service: Table) -> Variables:
    found = Variables()
    files = service.get("env_file") or []
    for entry in files if isinstance(files, list) else [files]:
        file = entry if isinstance(entry, Table) else Table(path=entry)
        lines, path = None, file.text("path")
        with suppress(ValueError):  # the engine reports it
            lines = textfile.read(manifest.folder / path) if path else None
        if lines is None and file.text("required") != "false":
            found.missing.append(path or "env_file")
        for variable, text in values.environment_lines(lines or ""):
            found.add(variable, text, f"env_file {path}")
    pairs = (text.partition("=") for each in service.rows("environment") if (text := values.text(each)))
    listed = Table({variable: text if equals else None for variable, equals, text in pairs if variable})
    for variable, text in (listed or service.table("environment")).items():
        found.add(variable, values.text(text), f"service {name}")
    return found


def _probes(service: Table) -> Iterator[Probe]:
    check = service.table("healthcheck")
    if shell := check.text("test"):
        command: tuple[str, ...] = (shell,)
    else:
        command = tuple(values.text(each) or "" for each in check.rows("test"))[1:]  # without CMD, CMD-SHELL or NONE
    if command and check.text("disable") != "true":
        yield probe_of(command, "healthcheck", kills=False)


def _ports(service: Table) -> Iterator[int]:
    for entry in service.rows("ports"):
        inside = entry.text("target") if isinstance(entry, Table) else (values.text(entry) or "").rpartition(":")[2]
        found = values.port((inside or "").partition("/")[0])
        if found is not None:
            yield found
