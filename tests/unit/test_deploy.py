"""The files in deploy/: valid, and true of what the image does."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from entrypoint.boot.settings.programs.user_programs import VARIABLE
from entrypoint.boot.settings.settings import setting_specs
from entrypoint.boot.settings.types.values import duration

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
SETTINGS = {name for spec in setting_specs() for name in spec.names}


def documents(path: Path) -> list[Any]:
    return list(yaml.safe_load_all(path.read_text()))


def env_file(path: Path) -> dict[str, str]:
    lines = (line for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


def services(name: str) -> dict[str, Any]:
    """Return the services of a Compose or stack file, each with all of its environment."""
    found: dict[str, Any] = yaml.safe_load((DEPLOY / name).read_text())["services"]
    for service in found.values():
        files = [env_file(DEPLOY / file) for file in service.get("env_file", ())]
        service["environment"] = {
            key: value for each in [*files, service.get("environment", {})] for key, value in each.items()
        }
    return found


def manifests() -> Iterator[tuple[str, Any]]:
    for path in sorted(KUBERNETES.rglob("*.yaml")):
        if path.name != "kustomization.yaml":
            yield from ((path.name, each) for each in documents(path))


def pods() -> Iterator[tuple[str, Any, dict[str, str]]]:
    """Yield the name, the spec and the environment of each pod that runs the image."""
    config = env_file(KUBERNETES / "base" / "config.env")
    for _, manifest in manifests():
        spec = manifest.get("spec", {})
        spec = spec.get("jobTemplate", manifest).get("spec")
        pod = (spec or {}).get("template", {}).get("spec")
        if pod and pod["containers"][0]["image"] == "example-site":
            own = {each["name"]: each["value"] for each in pod["containers"][0].get("env", ())}
            yield manifest["metadata"]["name"], pod, {**config, **own}


def environments() -> Iterator[tuple[str, dict[str, str]]]:
    for file in ("compose.yaml", "stack.yaml"):
        yield from ((f"{file} {name}", service["environment"]) for name, service in services(file).items())
    yield from ((name, environment) for name, _, environment in pods())


def stop_time(environment: dict[str, str]) -> float:
    return duration.parse(environment.get("ENTRYPOINT_STOP_TIMEOUT", "8s"))


def test_the_manifests_are_valid() -> None:
    kinds = set()
    for _, manifest in manifests():
        kubernetes_validate.validate(manifest, "1.31", strict=True)
        kinds.add(manifest["kind"])
    assert kinds >= {
        "Deployment",
        "Service",
        "Ingress",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "NetworkPolicy",
    }
    assert kinds >= {"CronJob", "Job", "PersistentVolumeClaim"}


@pytest.mark.parametrize("folder", ["base", "overlays/dev", "overlays/prod", "overlays/migration-job"])
def test_each_kustomization_names_files_and_objects_that_are_there(folder: str) -> None:
    (kustomization,) = documents(KUBERNETES / folder / "kustomization.yaml")
    assert all((KUBERNETES / folder / each).exists() for each in kustomization["resources"])
    objects = {(each["kind"], each["metadata"]["name"]) for _, each in manifests()}
    for patch in kustomization.get("patches", ()):
        assert (patch["target"]["kind"], patch["target"]["name"]) in objects
        assert yaml.safe_load(patch["patch"])


def test_each_setting_exists() -> None:
    for where, environment in environments():
        for name in environment:
            if name.startswith(("ENTRYPOINT_", "NGINX_")) and not name.startswith(VARIABLE):
                assert name.removesuffix("_FILE") in SETTINGS, where


def test_the_engine_waits_longer_than_a_stop_takes() -> None:
    for file in ("compose.yaml", "stack.yaml"):
        for name, service in services(file).items():
            if "example-site" in service["image"]:
                engine = duration.parse(service.get("stop_grace_period", "10s"))
                assert engine > stop_time(service["environment"]), (file, name)
    for name, pod, environment in pods():
        assert pod.get("terminationGracePeriodSeconds", 30) > stop_time(environment), name


def test_one_role_migrates_and_the_others_wait() -> None:
    modes = {where: environment.get("ENTRYPOINT_MIGRATE", "auto") for where, environment in environments()}
    for place in ("compose.yaml worker", "compose.yaml beat", "stack.yaml worker", "stack.yaml beat", "worker", "beat"):
        assert modes[place] == "wait"
    assert modes["compose.yaml web"] == modes["web"] == "auto"
    assert modes["stack.yaml web"] == "${MIGRATE:-auto}"


def test_pods_have_no_rights_and_write_only_where_they_must() -> None:
    names = []
    for name, pod, _ in pods():
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {each["mountPath"] for each in container["volumeMounts"]} >= {"/run/entrypoint", "/tmp"}
        names.append(name)
    assert sorted(names) == ["beat", "clearsessions", "migrate", "web", "worker"]


def test_no_probe_that_may_kill_asks_whether_the_site_is_ready() -> None:
    for _, pod, _ in pods():
        for container in pod["containers"]:
            for probe in ("startupProbe", "livenessProbe"):
                assert not re.search("/-/ready|'ready'", str(container.get(probe)))
