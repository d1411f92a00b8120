"""`entrypoint check --manifest`: one line for each mistake in a manifest, and none for a good one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from entrypoint.boot.manifest import check as manifests
from entrypoint.boot.manifest import documents, values
from entrypoint.errors import EntrypointError
from entrypoint.scaffold.files import files
from entrypoint.scaffold.project import look_at

if TYPE_CHECKING:
    from collections.abc import Mapping

REPOSITORY = Path(__file__).resolve().parents[2]
DEPLOY = REPOSITORY / "deploy"

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 30
      containers:
        - name: web
          image: site
          env:
            - {name: PORT, value: "8080"}
            - {name: ENTRYPOINT_DRAIN_DELAY, value: 5s}
            - {name: ENTRYPOINT_STOP_TIMEOUT, value: 25s}
          ports: [{name: http, containerPort: 8080}]
          startupProbe: {httpGet: {path: /-/live, port: http}}
          livenessProbe: {httpGet: {path: /-/live, port: 8080}}
          readinessProbe: {httpGet: {path: /-/ready, port: http}}
"""
JOB = """\
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate}
spec: {template: {spec: {containers: [{name: migrate, image: site, args: [prepare, --only, wait, --only, migrate]}]}}}
"""
SERVICE = (
    "---\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}\n"
)
CONFIG = "---\nkind: ConfigMap\nmetadata: {name: site}\ndata: {DJANGO_ENV: production}\n"
COMPOSE = """\
services:
  web:
    image: site
    environment: {PORT: 8000, ENTRYPOINT_PROGRAMS: web}
    ports: ["80:8000"]
    healthcheck: {test: [CMD, entrypoint, health]}
  worker:
    image: site
    environment: [ENTRYPOINT_PROGRAMS=worker, ENTRYPOINT_PROGRAM_WORKER=celery, ENTRYPOINT_MIGRATE=wait]
  db:
    image: postgres:17
"""


NOBODY = (
    "Deployment web: nothing applies the migrations: it and Deployment worker have ENTRYPOINT_MIGRATE={}; "
    "set ENTRYPOINT_MIGRATE=auto in one of them, or add a Job or a one-shot service that runs "
    "entrypoint prepare --only wait --only migrate"
)
ENDS = (
    "{} it ends while migrations are pending (ENTRYPOINT_MIGRATE=check), and {}, which applies them, "
    "starts at the same time; set ENTRYPOINT_MIGRATE=wait"
)
TWICE = (
    "{} it migrates (ENTRYPOINT_MIGRATE=auto), and so does {}, which starts at the same time; "
    "set ENTRYPOINT_MIGRATE=wait"
)
MIGRATE = "            - {{name: ENTRYPOINT_MIGRATE, value: {}}}\n"


def role(name: str, *more: str) -> str:
    """Return another Deployment of the same image, which has no site."""
    lines = "\n".join(
        f"            - {{name: {each.partition('=')[0]}, value: {each.partition('=')[2]}}}" for each in more
    )
    return (
        f"---\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  template:\n    spec:\n      containers:\n"
        f"        - name: {name}\n          image: site\n          env:\n"
        f"            - {{name: ENTRYPOINT_PROGRAMS, value: {name}}}\n"
        f"            - {{name: ENTRYPOINT_PROGRAM_{name.upper()}, value: celery}}\n{lines}\n"
    )


def without(text: str, *starts: str) -> str:
    """Return the text without the lines that contain one of `starts`."""
    return "".join(line for line in text.splitlines(keepends=True) if not any(start in line for start in starts))


class Checked:
    """What a check of files says."""

    def __init__(self, *names: Path | str, environ: Mapping[str, str] | None = None) -> None:
        self.told: list[str] = []
        self.problems: tuple[str, ...] = ()
        self.code = 0
        try:
            manifests.check([str(name) for name in names], environ or {}, lambda _, text, *__: self.told.append(text))
        except EntrypointError as error:
            self.problems, self.code = error.lines(), error.exit_code


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty folder, which is the working directory as well."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def checked(folder: Path, text: str, name: str = "it.yaml") -> list[str]:
    """Return the mistakes in a manifest, without the name of its file."""
    (folder / name).write_text(text, encoding="utf-8")
    found = Checked(name)
    assert found.code == (78 if found.problems else 0)
    assert all(each.startswith(f"cannot use {name}: ") for each in found.problems)
    return [each.removeprefix(f"cannot use {name}: ") for each in found.problems]


# ---- manifests without a mistake


@pytest.mark.parametrize("files_", [["compose.yaml"], ["stack.yaml"], ["kubernetes/base/*.yaml"]], ids=str)
def test_the_files_in_deploy_pass(files_: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY / "examples" / "django")
    found = Checked(*(path for name in files_ for path in sorted(DEPLOY.glob(name))))
    assert found.problems == ()
    assert any("no mistakes in " in line for line in found.told)


def test_the_overlay_with_a_job_passes(folder: Path) -> None:
    """A Job migrates, so the patch of the overlay is needed."""
    base, job = DEPLOY / "kubernetes/base", DEPLOY / "kubernetes/overlays/migration-job/job.yaml"
    lines = (line.partition("=") for line in (base / "config.env").read_text().splitlines() if line[0] != "#")
    data = {name: text for name, _, text in lines}
    (folder / "config.yaml").write_text(json.dumps({"kind": "ConfigMap", "metadata": {"name": "site"}, "data": data}))
    both = Checked(base / "web.yaml", "config.yaml", job).problems
    assert [each.partition(": ")[2] for each in both] == [TWICE.format("Deployment web:", "Job migrate")]
    (folder / "web.yaml").write_text(
        (base / "web.yaml").read_text().replace("          ports:", f"{MIGRATE.format('wait')}          ports:")
    )
    assert Checked("web.yaml", "config.yaml", job).problems == ()


@pytest.mark.parametrize("packages", ["", "celery\npsycopg\n", "redis\n"])
def test_the_manifests_that_init_writes_pass(folder: Path, packages: str) -> None:
    (folder / "manage.py").touch()
    (folder / "shop").mkdir()
    (folder / "shop/settings.py").write_text('STATIC_ROOT = BASE_DIR / "static"\n')
    (folder / "requirements.txt").write_text(packages)
    if "celery" in packages:
        (folder / "shop/celery.py").write_text("app = Celery('shop')\n")
    for name, text in files(look_at(folder), kubernetes=True).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / ".env").write_text((folder / ".env.example").read_text())
    assert Checked("compose.yaml").problems == ()
    found = Checked(*(path for path in (folder / "kubernetes").iterdir() if path.name != "kustomization.yaml"))
    assert found.problems == ()


@pytest.mark.parametrize(
    "text", [DEPLOYMENT + SERVICE, COMPOSE, DEPLOYMENT + role("worker", "ENTRYPOINT_MIGRATE=wait")]
)
def test_a_right_manifest_passes(folder: Path, text: str) -> None:
    assert checked(folder, text) == []


def test_json_needs_no_parser_of_yaml(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps(yaml.safe_load(COMPOSE.replace("80:8000", "80:81")))
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    assert len(checked(folder, text, "it.json")) == 1
    (folder / "it.yaml").write_text(COMPOSE)
    assert Checked("it.yaml").problems == (
        ("cannot read it.yaml: PyYAML is not installed; pip install PyYAML, or give the file as JSON"),
    )


# ---- one mistake, one line


STOP = (
    "Deployment web: Kubernetes kills after {} s (terminationGracePeriodSeconds{}), but a stop may take {} s "
    "(ENTRYPOINT_STOP_TIMEOUT){}; set terminationGracePeriodSeconds: {}"
)
KILLS = "fails during each boot and migration, and then kills the container; use"
REFUSED = "asks the application for {}, which refuses a Host that is not in ALLOWED_HOSTS; use"
OF_DEPLOYMENT = {
    "a stop that is longer than the grace period": (
        ("STOP_TIMEOUT, value: 25s", "STOP_TIMEOUT, value: 40s"),
        STOP.format(30, "", 40, "", 42),
    ),
    "a grace period that is too short": (("Seconds: 30", "Seconds: 25"), STOP.format(25, "", 25, "", 27)),
    "a preStop hook, whose time counts": (
        (
            "          image: site",
            "          image: site\n          lifecycle: {preStop: {exec: {command: [sleep, '6']}}}",
        ),
        STOP.format(30, "", 25, " and the preStop hook 6 s", 33),
    ),
    "a drain that does not fit": (
        ("STOP_TIMEOUT, value: 25s", "STOP_TIMEOUT, value: 6s"),
        (
            "Deployment web: ENTRYPOINT_STOP_TIMEOUT=6s: ENTRYPOINT_DRAIN_DELAY does not fit, the stop phases add up "
            "to ENTRYPOINT_DRAIN_DELAY 5 s + nginx 1 s + uwsgi 1 s; set 7s or more"
        ),
    ),
    "no drain": (
        ("DRAIN_DELAY, value: 5s", "DRAIN_DELAY, value: 0s"),
        (
            "Deployment web: requests still arrive until Kubernetes has removed a stopping pod from all endpoints, "
            "and are refused; set ENTRYPOINT_DRAIN_DELAY=5s and ENTRYPOINT_STOP_TIMEOUT=25s"
        ),
    ),
    "a probe of another port": (
        ("path: /-/live, port: 8080", "path: /-/live, port: 80"),
        "Deployment web: livenessProbe asks port 80, but the site listens on 8080; use 8080",
    ),
    "a probe of a port that has no such name": (
        ("path: /-/ready, port: http", "path: /-/ready, port: web"),
        "Deployment web: readinessProbe asks the port web, but the container names no such port; add it to its ports",
    ),
    "a socket that nobody opens": (
        ("readinessProbe: {httpGet: {path: /-/ready, port: http}}", "readinessProbe: {tcpSocket: {port: 81}}"),
        "Deployment web: readinessProbe asks port 81, but the site listens on 8080; use 8080",
    ),
    "curl with another port": (
        ("httpGet: {path: /-/ready, port: http}", "exec: {command: [curl, -f, 'http://localhost/-/ready']}"),
        "Deployment web: readinessProbe asks port 80, but the site listens on 8080; use 8080",
    ),
    "a path of the application": (
        ("path: /-/ready", "path: /health"),
        (
            f"Deployment web: readinessProbe {REFUSED.format('/health')} /-/ready; "
            "with ENTRYPOINT_READY_PATH=/health it asks the application too"
        ),
    ),
    "a liveness that asks the application": (
        ("livenessProbe: {httpGet: {path: /-/live", "livenessProbe: {httpGet: {path: /"),
        f"Deployment web: livenessProbe {REFUSED.format('/')} /-/live",
    ),
    "a liveness that asks for readiness": (
        ("livenessProbe: {httpGet: {path: /-/live", "livenessProbe: {httpGet: {path: /-/ready"),
        f"Deployment web: livenessProbe {KILLS} /-/live",
    ),
    "the same by our command": (
        (
            "livenessProbe: {httpGet: {path: /-/live, port: 8080}}",
            "livenessProbe: {exec: {command: [entrypoint, health]}}",
        ),
        f"Deployment web: livenessProbe {KILLS} entrypoint health live",
    ),
    "TLS that is not there": (
        ("path: /-/live, port: 8080", "path: /-/live, port: 8080, scheme: HTTPS"),
        "Deployment web: livenessProbe speaks HTTPS to port 8080, which speaks HTTP; set scheme: HTTP",
    ),
    "ports where nothing listens": (
        ('PORT, value: "8080"', 'PORT, value: "8081"'),
        "Deployment web: nothing listens on port 8080, the site listens on 8081; set PORT=8080, or use 8081",
    ),
    "a misspelt setting": (
        ("ENTRYPOINT_STOP_TIMEOUT", "ENTRYPOINT_STOP_TIMOUT"),
        "Deployment web: ENTRYPOINT_STOP_TIMOUT: there is no such setting; did you mean ENTRYPOINT_STOP_TIMEOUT?",
    ),
    "a value that cannot be used": (
        ("STOP_TIMEOUT, value: 25s", "STOP_TIMEOUT, value: soon"),
        "Deployment web: ENTRYPOINT_STOP_TIMEOUT=soon: a duration is a number with ms, s, m or h, such as 30s",
    ),
    "probes of nginx where there is none": (
        ('PORT, value: "8080"}', 'PORT, value: "8080"}\n            - {name: ENTRYPOINT_NGINX, value: "off"}'),
        (
            "Deployment web: startupProbe asks for /-/live, but no nginx answers that here; "
            "use exec: {command: [entrypoint, health, live]}"
        ),
    ),
}


@pytest.mark.parametrize("case", OF_DEPLOYMENT)
def test_a_mistake_in_a_deployment(folder: Path, case: str) -> None:
    (old, new), line = OF_DEPLOYMENT[case]
    assert old in DEPLOYMENT
    assert line in checked(folder, DEPLOYMENT.replace(old, new))


def test_the_default_grace_period_is_the_engines(folder: Path) -> None:
    kubernetes = without(DEPLOYMENT, "terminationGrace").replace("25s", "40s")
    assert checked(folder, kubernetes) == [STOP.format(30, ", the default", 40, "", 42)]
    compose = COMPOSE.replace("PORT: 8000,", "PORT: 8000, ENTRYPOINT_STOP_TIMEOUT: 10s,")
    line = (
        "service web: Docker kills after 10 s (stop_grace_period, the default), but a stop may take 10 s "
        "(ENTRYPOINT_STOP_TIMEOUT); set stop_grace_period: 12s"
    )
    assert checked(folder, compose) == [line]
    assert checked(folder, compose.replace("image: site", "image: site\n    stop_grace_period: 1m30s")) == []


def test_a_mistake_in_a_config_map_is_one_line_for_all_its_containers(folder: Path) -> None:
    text = DEPLOYMENT + role("worker") + CONFIG.replace("DJANGO_ENV", "ENTRYPOINT_MIGRAET")
    text = text.replace("          env:", "          envFrom: [{configMapRef: {name: site}}]\n          env:")
    assert checked(folder, text) == [
        "ConfigMap site: ENTRYPOINT_MIGRAET: there is no such setting; did you mean ENTRYPOINT_MIGRATE?"
    ]


@pytest.mark.parametrize("digits", ["²", "9" * 5000, "0" * 5000])
def test_digits_that_are_no_port_are_no_bug(folder: Path, digits: str) -> None:
    assert len(checked(folder, DEPLOYMENT.replace("path: /-/live, port: 8080", f"path: /-/live, port: {digits}"))) == 1
    assert len(checked(folder, DEPLOYMENT + SERVICE.replace("targetPort: http", f"targetPort: {digits}"))) == 1
    assert checked(folder, DEPLOYMENT.replace("containerPort: 8080", f"containerPort: {digits}"))


def test_a_service_that_leads_nowhere(folder: Path) -> None:
    assert checked(folder, DEPLOYMENT + SERVICE.replace("targetPort: http", "targetPort: 80")) == [
        "Service web: its targetPort is 80, but Deployment web listens on 8080; use that"
    ]
    assert checked(folder, DEPLOYMENT + SERVICE.replace("targetPort: http", "targetPort: web")) == [
        "Service web: Deployment web names no port web; add it to its ports"
    ]
    assert checked(folder, DEPLOYMENT + SERVICE.replace("{app: web}", "{app: other}").replace("http", "web")) == []


def test_a_probe_of_a_worker(folder: Path) -> None:
    text = role("worker") + "          livenessProbe: {httpGet: {path: /-/live, port: 80}}\n"
    assert checked(folder, text) == [
        (
            "Deployment worker: livenessProbe asks for /-/live, but no site runs in this container; "
            "use exec: {command: [entrypoint, health, live]}"
        )
    ]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('"80:8000"', '"80:81"', "nothing listens on port 81, the site listens on 8000; set PORT=81, or use 8000"),
        (
            '"80:8000"',
            "{target: 82, published: 80}",
            "nothing listens on port 82, the site listens on 8000; set PORT=82, or use 8000",
        ),
        (
            '"80:8000"',
            '"${PORT:-127.0.0.1:80}:${INSIDE:-83}/tcp"',
            "nothing listens on port 83, the site listens on 8000; set PORT=83, or use 8000",
        ),
        (
            "[CMD, entrypoint, health]",
            "curl -f http://localhost:80/-/ready",
            "healthcheck asks port 80, but the site listens on 8000; use 8000",
        ),
        (
            "[CMD, entrypoint, health]",
            "[CMD-SHELL, 'curl -f http://127.0.0.1:8000/ || exit 1']",
            (
                "healthcheck asks the application for /, which refuses a Host that is not in ALLOWED_HOSTS; use "
                "/-/ready; with ENTRYPOINT_READY_PATH=/ it asks the application too"
            ),
        ),
        (
            "PORT: 8000",
            "PORT: 8000, ENTRYPOINT_LOG_LEVLE: info",
            "ENTRYPOINT_LOG_LEVLE: there is no such setting; did you mean ENTRYPOINT_LOG_LEVEL?",
        ),
        ("PROGRAMS: web", "PROGRAMS: wbe", "ENTRYPOINT_PROGRAMS: there is no program wbe; did you mean web?"),
    ],
)
def test_a_mistake_in_a_compose_file(folder: Path, old: str, new: str, line: str) -> None:
    assert old in COMPOSE
    assert checked(folder, COMPOSE.replace(old, new)) == [f"service web: {line}"]


def test_no_mistake_follows_from_another(folder: Path) -> None:
    tls = "PORT: 8000, ENTRYPOINT_NGINX: off, NGINX_TLS_CERTIFICATE: /c.pem, NGINX_TLS_KEY: /k.pem"
    assert checked(folder, COMPOSE.replace("PORT: 8000", tls)) == [
        "service web: NGINX_TLS_CERTIFICATE without nginx: set ENTRYPOINT_NGINX=on"
    ]


# ---- migrations


@pytest.mark.parametrize(
    ("web", "worker", "job", "lines"),
    [
        ("auto", "auto", False, []),  # one gets the lock, the other finds nothing pending
        ("auto", "wait", False, []),
        ("wait", "off", False, []),  # somebody else may migrate
        ("check", "check", False, [NOBODY.format("check")]),
        ("check", "wait", False, [NOBODY.format("check or wait")]),
        ("wait", "wait", False, [NOBODY.format("wait")]),
        ("wait", "wait", True, []),
        ("auto", "check", False, [ENDS.format("Deployment worker:", "Deployment web")]),
        ("wait", "check", True, [ENDS.format("Deployment worker:", "Job migrate")]),
        ("auto", "wait", True, [TWICE.format("Deployment web:", "Job migrate")]),
        (
            "auto",
            "auto",
            True,
            [TWICE.format("Deployment web:", "Job migrate"), TWICE.format("Deployment worker:", "Job migrate")],
        ),
    ],
)
def test_somebody_has_to_migrate_and_only_one(
    folder: Path, web: str, worker: str, lines: list[str], *, job: bool
) -> None:
    text = DEPLOYMENT.replace(
        "          ports:", f"            - {{name: ENTRYPOINT_MIGRATE, value: {web}}}\n          ports:"
    )
    text += role("worker", f"ENTRYPOINT_MIGRATE={worker}", "ENTRYPOINT_DRAIN_DELAY=1s") + (JOB if job else "")
    assert checked(folder, text) == lines


def test_a_role_that_starts_after_the_migrations_may_check_or_migrate(folder: Path) -> None:
    once = "  migrate: {image: site, command: [prepare, --only, migrate]}\n"
    after = "    depends_on: {migrate: {condition: service_completed_successfully}}\n"
    at_once = COMPOSE + once
    assert checked(folder, at_once) == [TWICE.format("service web:", "service migrate")]
    assert checked(folder, at_once.replace("  worker:\n", f"{after}  worker:\n")) == []
    init = "      initContainers: [{name: migrate, image: site, args: [prepare, --only, migrate]}]\n      containers:\n"
    assert checked(folder, DEPLOYMENT.replace("      containers:\n", init)) == []


@pytest.mark.parametrize("command", ["python manage.py migrate --noinput", "[sh, -c, 'python manage.py migrate']"])
def test_a_service_that_runs_manage_py_migrates_as_well(folder: Path, command: str) -> None:
    text = f"{COMPOSE}  first: {{image: site, command: {command}}}\n"
    assert checked(folder, text) == [TWICE.format("service web:", "service first")]


# ---- unknown values


def test_values_that_the_manifest_does_not_contain_are_not_judged(folder: Path) -> None:
    text = without(DEPLOYMENT, "PORT", "DRAIN", "STOP_TIMEOUT", "terminationGrace").replace(
        "          env:\n", "          envFrom: [{configMapRef: {name: elsewhere}}]\n"
    )
    (folder / "it.yaml").write_text(text.replace("8080", "9999"))
    found = Checked("it.yaml")
    assert found.problems == ()
    assert found.told[0] == (
        "warning: it.yaml: Deployment web: ConfigMap elsewhere is missing here, so its variables are not checked"
    )


def test_a_file_of_a_secret_is_not_read(folder: Path) -> None:
    text = COMPOSE.replace("PORT: 8000", "PORT: 8000, SECRET_KEY_FILE: /run/secrets/key, SUPERUSER_PASSWORD_FILE: /x")
    assert checked(folder, text) == []
    both = text.replace("PORT: 8000,", "PORT: 8000, SUPERUSER_PASSWORD: geheim,")
    assert checked(folder, both) == [
        "service web: SUPERUSER_PASSWORD: SUPERUSER_PASSWORD_FILE is also set; unset one of them"
    ]


def test_the_image_may_define_the_program(folder: Path) -> None:
    text = COMPOSE.replace(" ENTRYPOINT_PROGRAM_WORKER=celery,", "")
    (folder / "it.yaml").write_text(text)
    here, image = Checked("it.yaml"), Checked("it.yaml", environ={"ENTRYPOINT_PROGRAM_WORKER": "celery"})
    assert (here.code, image.code) == (0, 0)
    assert "service worker: the program worker is not defined here" in here.told[0]
    assert len(image.told) == 1


def test_a_service_that_extends_another_is_named(folder: Path) -> None:
    (folder / "it.yaml").write_text(COMPOSE + "  more:\n    extends: web\n    ports: ['1:1']\n")
    found = Checked("it.yaml")
    assert (found.code, "service more extends another" in found.told[0]) == (0, True)


def test_the_variables_of_an_env_file_count(folder: Path) -> None:
    (folder / ".env").write_text("# ours\nexport PORT=8000  # inside\nENTRYPOINT_STOP_TIMEOUT='20s'\nSHELL_ONLY\n")
    text = COMPOSE.replace("{PORT: 8000, ENTRYPOINT_PROGRAMS: web}", "{ENTRYPOINT_PROGRAMS: web}\n    env_file: .env")
    (line,) = checked(folder, text)
    assert "a stop may take 20 s" in line


def test_several_files_are_one_manifest(folder: Path) -> None:
    (folder / "web.yaml").write_text(DEPLOYMENT.replace("STOP_TIMEOUT, value: 25s", "MIGRATE, value: check"))
    (folder / "worker.yaml").write_text(role("worker", "ENTRYPOINT_MIGRATE=check"))
    assert Checked("web.yaml").problems == ()
    assert [each.partition(": ")[2] for each in Checked("web.yaml", "worker.yaml").problems] == [NOBODY.format("check")]


# ---- files that are not manifests


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: [", "line 1, column 5: expected the node content, but found '<stream end>'"),
        ("a: &a [*a]", "line 1, column 4: found unconstructable recursive node"),
        ("a: !!int geheim", "a value is not of its type"),
        ("[" * 10_000, "it is nested too deeply"),
    ],
)
def test_yaml_that_cannot_be_read(folder: Path, text: str, why: str) -> None:
    (folder / "it.yaml").write_text(text)
    assert Checked("it.yaml").problems == (f"cannot read it.yaml: {why}",)


def test_json_that_is_nested_too_deeply_is_refused(folder: Path) -> None:
    (folder / "it.json").write_text(f'{{"services": {{"web": {"[" * 5000}{"]" * 5000}}}}}')
    assert Checked("it.json").problems == ("cannot read it.json: it is nested too deeply",)


def test_aliases_of_aliases_are_refused_before_they_are_expanded(folder: Path) -> None:
    levels = "".join(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 30))
    text = f"a0: &a0 lol\n{levels}services: {{web: {{environment: {{ENTRYPOINT_PROGRAMS: *a29}}}}}}\n"
    assert checked(folder, text) == ["its aliases stand for more than 1000000 values"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("- 1\n", "it is not a manifest, which is a mapping of keys"),
        (
            "services: {db: {image: postgres}}\n",
            (
                "no container in it is known to run entrypoint; give it a setting, such as ENTRYPOINT_PROGRAMS=web, "
                "or a probe of /-/ready"
            ),
        ),
    ],
)
def test_a_file_that_is_no_manifest_of_ours(folder: Path, text: str, why: str) -> None:
    assert checked(folder, text) == [why]


def test_a_template_of_helm_and_a_folder_say_what_to_run(folder: Path) -> None:
    (folder / "it.yaml").write_text("a: {{ .Values.x }}\n")
    assert Checked("it.yaml").problems[0].endswith("render it first: helm template . | entrypoint check --manifest -")
    assert Checked(".").problems[0].endswith("kubectl kustomize . | entrypoint check --manifest -")
    assert Checked("none.yaml").problems == ("cannot read none.yaml: No such file or directory",)


@pytest.mark.parametrize("shape", ["1", "[1]", "{}", "text", "[{a: 1}]", "null"])
@pytest.mark.parametrize("key", ["env", "envFrom", "ports", "livenessProbe", "command", "securityContext", "lifecycle"])
def test_another_shape_than_expected_is_no_bug(folder: Path, key: str, shape: str) -> None:
    kubernetes = DEPLOYMENT.replace("          image: site\n", f"          image: site\n          {key}: {shape}\n")
    (folder / "it.yaml").write_text(kubernetes)
    assert Checked("it.yaml").code in (0, 78)


@pytest.mark.parametrize("shape", ["1", "[1]", "{}", "text", "[{a: 1}]", "null"])
@pytest.mark.parametrize(
    "key", ["environment", "env_file", "ports", "healthcheck", "command", "depends_on", "build", "entrypoint", "user"]
)
def test_another_shape_in_a_compose_file_is_no_bug(folder: Path, key: str, shape: str) -> None:
    (folder / "it.yaml").write_text(f"services:\n  web:\n    image: site\n    {key}: {shape}\n")
    assert Checked("it.yaml").code in (0, 78)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("$$x ${A:-b} ${A-${B:-c}}", "$x b c"),
        ("${A}", None),
        ("$A", None),
        ("${A:?why}", None),
        ("${A:+b}", ""),
        ("plain", "plain"),
    ],
)
def test_variables_in_a_compose_file_are_interpolated(text: str, wanted: str | None) -> None:
    assert values.interpolated(text) == wanted


def test_scalars_are_texts(folder: Path) -> None:
    (folder / "it.yaml").write_text("a: [22:22, 010, yes, 1.0, 2024-99-99, null, !reset x]\n")
    assert documents.read("it.yaml").documents == [{"a": ["22:22", "010", "yes", "1.0", "2024-99-99", None, "x"]}]
