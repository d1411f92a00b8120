"""The containers of a Compose file, or of a stack for Swarm."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from entrypoint.boot.manifest import values
from entrypoint.boot.manifest.containers import COMPOSE, Container, Probe, Variables, asks, command_of
from entrypoint.boot.manifest.documents import Manifest

_LARGEST = 1 << 20  # bytes


def containers(manifest: Manifest) -> Iterator[Container]:
    """Yield the containers, with the variables of the manifest replaced by their defaults."""
    for document in manifest.documents:
        services = values.table(document.get("services"))
        for name, service in services.items():
            if not isinstance(service, dict) or "extends" in service:  # of which `docker compose config` makes one
                continue
            yield _container(manifest, name, values.table(values.resolved(service)), services)


def extending(manifest: Manifest) -> Iterator[str]:
    """Yield the names of the services that are defined by others."""
    for document in manifest.documents:
        for name, service in values.table(document.get("services")).items():
            if "extends" in values.table(service):
                yield name


def _container(manifest: Manifest, name: str, service: Mapping[str, Any], services: Mapping[str, Any]) -> Container:
    replaced, words = command_of(values.words(service.get("entrypoint")), values.words(service.get("command")))
    needed = values.table(service.get("depends_on"))
    user = values.text(service.get("user"))
    given = "stop_grace_period" in service
    return Container(
        file=manifest.name,
        where=f"service {name}",
        engine=COMPOSE,
        image=values.text(service.get("image")) or "",
        variables=_variables(manifest, name, service),
        replaced=replaced,
        words=words,
        grace=values.seconds(service.get("stop_grace_period")) if given else COMPOSE.usual_grace,
        grace_given=given,
        probes=tuple(_probes(service)),
        ports=tuple(_ports(service)),
        root=(user.partition(":")[0] in ("0", "root") if user else None),
        after=frozenset(
            f"service {each}"
            for each, how in needed.items()
            if each in services
            and values.table(how).get("condition") in ("service_completed_successfully", "service_healthy")
        ),
        builds=_built_from(service.get("build")),
    )


def _built_from(build: Any) -> str | None:  # noqa: ANN401 -- a text or a mapping
    return values.text(values.table(build).get("context", ".")) if isinstance(build, dict) else values.text(build)


def _variables(manifest: Manifest, name: str, service: Mapping[str, Any]) -> Variables:
    found = Variables()
    files = service.get("env_file")
    for entry in files if isinstance(files, list) else [files] if files else []:
        path = values.text(values.table(entry).get("path") if isinstance(entry, dict) else entry)
        lines = _lines(manifest.folder / path) if path else None
        if lines is None:
            if values.table(entry).get("required") not in ("false", False):
                found.missing.append(path or "env_file")
            continue
        for variable, text in values.environment_lines(lines):
            found.add(variable, text, f"env_file {path}")
    given = service.get("environment")
    if isinstance(given, list):
        pairs = [(values.text(each) or "").partition("=") for each in given]
        given = {variable: text if equals else None for variable, equals, text in pairs if variable}
    for variable, text in values.table(given).items():
        found.add(variable, values.text(text), f"service {name}")
    return found


def _lines(path: Path) -> str | None:
    with contextlib.suppress(OSError, ValueError):  # the engine reports it
        if os.path.getsize(path) <= _LARGEST:  # noqa: PTH202 -- raises what is suppressed
            return path.read_text(encoding="utf-8")
    return None


def _probes(service: Mapping[str, Any]) -> Iterator[Probe]:
    check = values.table(service.get("healthcheck"))
    test = check.get("test")
    if isinstance(test, str):
        command: tuple[str, ...] = (test,)
    else:
        command = tuple(values.text(each) or "" for each in values.rows(test))[1:]  # without CMD, CMD-SHELL or NONE
    if command and values.text(check.get("disable")) != "true":
        yield asks(command, "healthcheck", kills=False)


def _ports(service: Mapping[str, Any]) -> Iterator[int]:
    for entry in values.rows(service.get("ports")):
        inside = entry.get("target") if isinstance(entry, dict) else (values.text(entry) or "").rpartition(":")[2]
        found = values.port((values.text(inside) or "").partition("/")[0])
        if found is not None:
            yield found
