"""The containers of the objects for Kubernetes."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from entrypoint.boot.manifest import values
from entrypoint.boot.manifest.containers import KUBERNETES, Container, Probe, Variables, command_of, probe_of
from entrypoint.boot.manifest.documents import Manifest
from entrypoint.boot.manifest.values import Table

_WITH_ENDPOINTS: Final = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
_TEMPLATES: Final[Mapping[str, tuple[str, ...]]] = {
    "Pod": (),
    **dict.fromkeys((*_WITH_ENDPOINTS, "Job"), ("spec", "template")),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
"""Where each kind of object describes its pods."""
_PROBES: Final = (("startupProbe", False), ("livenessProbe", True), ("readinessProbe", False))
_SLEEP: Final = re.compile(r"\bsleep\s+(\d+)")


class Service(NamedTuple):
    """A port of a Service, and the pods that it leads to."""

    file: str
    where: str
    selector: Mapping[str, str]
    target: str  # a number, or the name of a port


def objects(manifest: Manifest) -> Iterator[Table]:
    """Yield the objects, also those of a List."""
    for document in manifest.documents:
        yield from document.tables("items") if document.text("kind") == "List" else (document,)


def config_maps(manifests: Iterable[Manifest]) -> Mapping[str, Table]:
    """Return the data of each ConfigMap by its name."""
    every = (each for manifest in manifests for each in objects(manifest))
    return {_name(each): each.table("data") for each in every if each.text("kind") == "ConfigMap"}


def services(manifest: Manifest) -> Iterator[Service]:
    """Yield the ports of each Service that selects pods."""
    for each in objects(manifest):
        selector = each.table("spec", "selector").texts()
        if each.text("kind") == "Service" and selector:
            for entry in each.table("spec").tables("ports"):
                target = entry.text("targetPort") or entry.text("port") or ""
                yield Service(manifest.name, f"Service {_name(each)}", selector, target)


def containers(manifest: Manifest, maps: Mapping[str, Table]) -> Iterator[Container]:
    """Yield the containers of all pods. `maps` is the data of each ConfigMap, by its name."""
    for each in objects(manifest):
        kind = each.text("kind") or ""
        if kind in _TEMPLATES:
            template = each.table(*_TEMPLATES[kind])
            yield from _of_pod(manifest.name, kind, f"{kind} {_name(each)}", template, maps)


def _name(found: Table) -> str:
    return found.table("metadata").text("name") or "without a name"


def _of_pod(file: str, kind: str, name: str, template: Table, maps: Mapping[str, Table]) -> Iterator[Container]:
    pod = template.table("spec")
    init = pod.tables("initContainers")
    every = [*init, *pod.tables("containers")]
    ended: list[str] = []  # the init containers that have ended before the next container starts
    for at, container in enumerate(every):
        where = f"{name} container {container.text('name')}" if len(every) > 1 else name
        replaced, words = command_of(container.words("command"), container.words("args"))
        ports = [
            (each.text("name") or "", number)
            for each in container.tables("ports")
            if (number := values.port(each.text("containerPort"))) is not None
        ]
        yield Container(
            file=file,
            where=where,
            engine=KUBERNETES,
            image=container.text("image") or "",
            variables=_variables(where, container, maps),
            replaced=replaced,
            words=words,
            grace=pod.seconds(KUBERNETES.grace) if KUBERNETES.grace in pod else KUBERNETES.usual_grace,
            grace_given=KUBERNETES.grace in pod,
            pre_stop=_pre_stop(container),
            probes=tuple(_probes(container)),
            ports=tuple(number for _, number in ports),
            named_ports=dict(ports),
            labels=template.table("metadata", "labels").texts(),
            root=_root(pod, container),
            endpoints=kind in _WITH_ENDPOINTS,
            after=frozenset(ended),
        )
        if at < len(init) and container.text("restartPolicy") != "Always":  # not a sidecar
            ended.append(where)


def _root(pod: Table, container: Table) -> bool | None:
    context = Table({**pod.table("securityContext"), **container.table("securityContext")})
    if uid := context.text("runAsUser"):
        return uid == "0"
    return False if context.text("runAsNonRoot") == "true" else None


def _variables(where: str, container: Table, maps: Mapping[str, Table]) -> Variables:
    """Return the environment. What a Secret sets is unknown, but a Secret is not expected to hold settings."""
    found = Variables()
    for entry in container.tables("envFrom"):
        name = entry.table("configMapRef").text("name")
        if name is None:
            continue
        if name not in maps:
            found.missing.append(f"ConfigMap {name}")
        for variable, text in maps.get(name, {}).items():
            found.add(f"{entry.text('prefix') or ''}{variable}", values.text(text), f"ConfigMap {name}")
    for entry in container.tables("env"):
        if name := entry.text("name"):
            found.add(name, _text(entry, maps), where)
    return found


def _text(entry: Table, maps: Mapping[str, Table]) -> str | None:
    if reference := entry.table("valueFrom", "configMapKeyRef"):
        data = maps.get(reference.text("name") or "", Table())
        return data.text(reference.text("key") or "")
    text = entry.text("value")
    return None if text is None or "$(" in text else text  # $(NAME) is another variable's text


def _probes(container: Table) -> Iterator[Probe]:
    for key, kills in _PROBES:
        probe = container.table(key)
        if http := probe.table("httpGet"):
            host = any(each.text("name") in ("Host", "host") for each in http.tables("httpHeaders"))
            tls = (http.text("scheme") or "").upper() == "HTTPS"
            path = (http.text("path") or "/").partition("?")[0]
            yield Probe(key, kills, http.text("port"), path, host, tls)
        elif tcp := probe.table("tcpSocket"):
            yield Probe(key, kills, tcp.text("port"))
        elif command := probe.table("exec").words("command"):
            yield probe_of(command, key, kills=kills)


def _pre_stop(container: Table) -> float:
    hook = container.table("lifecycle", "preStop")
    if given := hook.table("sleep").seconds("seconds"):
        return given
    match = _SLEEP.search(" ".join(hook.table("exec").words("command") or ()))
    return float(match[1][:9]) if match else 0
