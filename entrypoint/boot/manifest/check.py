"""The entry point: `entrypoint check --manifest FILE`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from entrypoint.boot.manifest import compose, documents, kubernetes, migrations, mistakes
from entrypoint.boot.manifest.containers import Container, ours
from entrypoint.boot.manifest.documents import Manifest
from entrypoint.boot.manifest.evaluated import Evaluated, evaluate
from entrypoint.errors import Unusable
from entrypoint.output.log import ENTRYPOINT, Tell


def check(names: Sequence[str], environ: Mapping[str, str], tell: Tell) -> None:
    """Check the files, which together are one manifest. Raises Unusable with each mistake, and NotAllowed."""
    manifests = [documents.read(name) for name in dict.fromkeys(names)]
    chosen = ours(_containers(manifests))
    if not chosen:
        raise Unusable(
            f"cannot use {', '.join(each.name for each in manifests)}: no container in it is known to run entrypoint; "
            "give it a setting, such as ENTRYPOINT_PROGRAMS=web, or a probe of /-/ready"
        )
    every = [evaluate(each, environ) for each in chosen]
    for line in dict.fromkeys(_notes(manifests, every)):
        tell(ENTRYPOINT, line, "warning")
    Unusable.check(dict.fromkeys(_problems(manifests, every)))
    for manifest in manifests:
        named = ", ".join(each.where for each in chosen if each.file == manifest.name)
        tell(ENTRYPOINT, f"{manifest.name}: no mistakes in {named or 'it'}")


def _containers(manifests: Sequence[Manifest]) -> Iterator[Container]:
    maps = kubernetes.config_maps(manifests)
    for manifest in manifests:
        yield from compose.containers(manifest)
        yield from kubernetes.containers(manifest, maps)


def _problems(manifests: Iterable[Manifest], every: Sequence[Evaluated]) -> Iterator[str]:
    for found in every:
        file, where = found.container.file, found.container.where
        yield from (f"cannot use {file}: {origin}: {problem}" for origin, problem in found.problems)
        yield from (f"cannot use {file}: {where}: {mistake}" for mistake in mistakes.of_container(found))
    yield from _services(manifests, every)
    for container, mistake in migrations.mistakes(every):
        yield f"cannot use {container.file}: {container.where}: {mistake}"


def _services(manifests: Iterable[Manifest], every: Sequence[Evaluated]) -> Iterator[str]:
    """Yield a mistake for each Service whose port leads to a site that does not listen there."""
    for service in (each for manifest in manifests for each in kubernetes.services(manifest)):
        for found in every:
            container, settings = found.container, found.settings
            if not settings or not settings.serves or not service.selector.items() <= container.labels.items():
                continue
            listens = mistakes.ports(found, settings)
            number = container.number_of(service.target)
            if number is None:
                why = f"{container.where} names no port {service.target}; add it to its ports"
            elif listens and number not in listens.every | {*container.ports}:
                why = f"its targetPort is {service.target}, but {container.where} listens on {listens}; use that"
            else:
                continue
            yield f"cannot use {service.file}: {service.where}: {why}"


def _notes(manifests: Iterable[Manifest], every: Iterable[Evaluated]) -> Iterator[str]:
    """Yield the warnings: what is not checked and why, and probable mistakes."""
    for manifest in manifests:
        for name in compose.extending(manifest):
            yield (
                f"warning: {manifest.name}: service {name} extends another, so it is not checked; "
                "docker compose config | entrypoint check --manifest - checks it"
            )
    for found in every:
        where = f"{found.container.file}: {found.container.where}"
        for source in found.container.variables.missing:
            yield f"warning: {where}: {source} is missing here, so its variables are not checked"
        for program in found.programs:
            yield (
                f"warning: {where}: the program {program} is not defined here; "
                "run the check in the image, or in the project's folder, to check its name too"
            )
        for origin, warning in found.warnings:
            yield f"warning: {found.container.file}: {origin}: {warning}"
