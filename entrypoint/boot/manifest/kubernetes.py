"""The containers of the objects for Kubernetes."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from entrypoint.boot.manifest import values
from entrypoint.boot.manifest.containers import KUBERNETES, Container, Probe, Variables, asks, command_of
from entrypoint.boot.manifest.documents import Manifest

_PODS: Final[Mapping[str, tuple[str, ...]]] = {
    "Pod": (),
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
_WITH_ENDPOINTS: Final = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
_PROBES: Final = (("startupProbe", False), ("livenessProbe", True), ("readinessProbe", False))
_SLEEP: Final = re.compile(r"\bsleep\s+(\d+)")


class Service(NamedTuple):
    """A port of a Service, and the pods that it leads to."""

    file: str
    where: str
    selector: Mapping[str, str]
    target: str
    """A number, or the name of a port."""


class _Owner(NamedTuple):
    """The facts that the containers of a pod share."""

    file: str
    kind: str
    labels: Mapping[str, str]
    maps: Mapping[str, Mapping[str, Any]]
    ended: list[str]
    """The init containers that have ended before the next container starts."""


def objects(manifest: Manifest) -> Iterator[Mapping[str, Any]]:
    """Yield the objects, also those of a List."""
    for document in manifest.documents:
        yield from values.tables(document.get("items")) if document.get("kind") == "List" else (document,)


def containers(manifest: Manifest, maps: Mapping[str, Mapping[str, Any]]) -> Iterator[Container]:
    """Yield the containers of all pods. `maps` is the data of each ConfigMap, by its name."""
    for each in objects(manifest):
        kind = values.text(each.get("kind")) or ""
        if kind in _PODS:
            yield from _of_pod(manifest.name, kind, each, maps)


def config_maps(manifests: Iterable[Manifest]) -> Mapping[str, Mapping[str, Any]]:
    """Return the data of each ConfigMap by its name."""
    every = (each for manifest in manifests for each in objects(manifest))
    return {_name(each): values.table(each.get("data")) for each in every if each.get("kind") == "ConfigMap"}


def services(manifest: Manifest) -> Iterator[Service]:
    """Yield the ports of each Service that selects pods."""
    for each in objects(manifest):
        spec = values.table(each.get("spec"))
        selector = {key: values.text(value) or "" for key, value in values.table(spec.get("selector")).items()}
        if each.get("kind") == "Service" and selector:
            for entry in values.tables(spec.get("ports")):
                target = values.text(entry.get("targetPort")) or values.text(entry.get("port")) or ""
                yield Service(manifest.name, f"Service {_name(each)}", selector, target)


def _name(found: Mapping[str, Any]) -> str:
    return values.text(values.inner(found, "metadata").get("name")) or "without a name"


def _of_pod(
    file: str, kind: str, found: Mapping[str, Any], maps: Mapping[str, Mapping[str, Any]]
) -> Iterator[Container]:
    template = values.inner(found, *_PODS[kind])
    pod = values.table(template.get("spec"))
    both = [(each, True) for each in values.tables(pod.get("initContainers"))]
    both += [(each, False) for each in values.tables(pod.get("containers"))]
    name = f"{kind} {_name(found)}"
    labels = {key: values.text(each) or "" for key, each in values.inner(template, "metadata", "labels").items()}
    owner = _Owner(file, kind, labels, maps, [])
    for container, first in both:
        of = f" container {values.text(container.get('name'))}" if len(both) > 1 else ""
        sidecar = values.text(container.get("restartPolicy")) == "Always"
        made = _container(f"{name}{of}", pod, container, owner)
        if first and not sidecar:
            owner.ended.append(made.where)
        yield made


def _container(where: str, pod: Mapping[str, Any], container: Mapping[str, Any], owner: _Owner) -> Container:
    replaced, words = command_of(values.words(container.get("command")), values.words(container.get("args")))
    named = {values.text(each.get("name")): each.get("containerPort") for each in values.tables(container.get("ports"))}
    numbers = {name or "": number for name, each in named.items() if (number := values.port(each)) is not None}
    every = (values.port(each.get("containerPort")) for each in values.tables(container.get("ports")))
    given = KUBERNETES.grace in pod
    return Container(
        file=owner.file,
        where=where,
        engine=KUBERNETES,
        image=values.text(container.get("image")) or "",
        variables=_variables(where, container, owner.maps),
        replaced=replaced,
        words=words,
        grace=values.seconds(pod.get(KUBERNETES.grace)) if given else KUBERNETES.usual_grace,
        grace_given=given,
        pre_stop=_pre_stop(container),
        probes=tuple(_probes(container)),
        ports=tuple(each for each in every if each is not None),
        named_ports=numbers,
        labels=owner.labels,
        root=_root(pod, container),
        endpoints=owner.kind in _WITH_ENDPOINTS,
        after=frozenset(owner.ended),
    )


def _root(pod: Mapping[str, Any], container: Mapping[str, Any]) -> bool | None:
    context = {**values.table(pod.get("securityContext")), **values.table(container.get("securityContext"))}
    if uid := values.text(context.get("runAsUser")):
        return uid == "0"
    return False if values.text(context.get("runAsNonRoot")) == "true" else None


def _variables(where: str, container: Mapping[str, Any], maps: Mapping[str, Mapping[str, Any]]) -> Variables:
    """Return the environment. What a Secret sets is unknown, but of a Secret no setting is expected."""
    found = Variables()
    for entry in values.tables(container.get("envFrom")):
        name = values.text(values.inner(entry, "configMapRef").get("name"))
        prefix = values.text(entry.get("prefix")) or ""
        if name is None:
            continue
        if name not in maps:
            found.missing.append(f"ConfigMap {name}")
        for variable, text in maps.get(name, {}).items():
            found.add(f"{prefix}{variable}", values.text(text), f"ConfigMap {name}")
    for entry in values.tables(container.get("env")):
        name = values.text(entry.get("name"))
        if name:
            found.add(name, _text(entry, maps), where)
    return found


def _text(entry: Mapping[str, Any], maps: Mapping[str, Mapping[str, Any]]) -> str | None:
    reference = values.inner(entry, "valueFrom", "configMapKeyRef")
    if reference:
        data = maps.get(values.text(reference.get("name")) or "", {})
        return values.text(data.get(values.text(reference.get("key")) or ""))
    text = values.text(entry.get("value"))
    return None if text is None or "$(" in text else text  # $(NAME) is another variable's text


def _probes(container: Mapping[str, Any]) -> Iterator[Probe]:
    for key, kills in _PROBES:
        probe = values.table(container.get(key))
        if http := values.table(probe.get("httpGet")):
            host = any(each.get("name") in ("Host", "host") for each in values.tables(http.get("httpHeaders")))
            tls = (values.text(http.get("scheme")) or "").upper() == "HTTPS"
            path = values.text(http.get("path")) or "/"
            yield Probe(key, kills, values.text(http.get("port")), path.partition("?")[0], host, tls)
        elif tcp := values.table(probe.get("tcpSocket")):
            yield Probe(key, kills, values.text(tcp.get("port")))
        elif command := values.words(values.inner(probe, "exec").get("command")):
            yield asks(command, key, kills=kills)


def _pre_stop(container: Mapping[str, Any]) -> float:
    hook = values.inner(container, "lifecycle", "preStop")
    if given := values.seconds(values.inner(hook, "sleep").get("seconds")):
        return given
    command: Sequence[str] = values.words(values.inner(hook, "exec").get("command")) or ()
    match = _SLEEP.search(" ".join(command))
    return float(match[1][:9]) if match else 0
