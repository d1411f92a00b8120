"""From settings and facts to a plan: golden cases, and rules for all plans."""

import contextlib
import json
import pwd
import re
import resource
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from whole_plan import as_difference, as_text, sections

from entrypoint.boot.decisions.address import of_site
from entrypoint.boot.decisions.decide import decide
from entrypoint.boot.decisions.programs.supervised import supervised as programs_of
from entrypoint.boot.facts.cgroup import Limits
from entrypoint.boot.facts.hooks import Hook, Hooks
from entrypoint.boot.facts.machine import NO_LIMIT, Facts, Machine, limits_of
from entrypoint.boot.files.template_values import TemplateValues
from entrypoint.boot.plan.check_steps import FindPrograms
from entrypoint.boot.plan.file_steps import HandOver
from entrypoint.boot.plan.findings import of_config
from entrypoint.boot.plan.opening import opening
from entrypoint.boot.plan.plan import Plan, make_plan, rest, start
from entrypoint.boot.plan.steps import Ask
from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.settings.types.addresses import Listen
from entrypoint.boot.trust.accounts import Account
from entrypoint.errors import NotAllowed, Unusable
from entrypoint.protocol.agent import Application, Database, User
from entrypoint.protocol.codec import from_json
from entrypoint.protocol.supervision import SupervisionConfig
from entrypoint.secret import Secret

GOLDEN = sorted((Path(__file__).parent.parent / "golden").glob("*.json"))
BASE = Path(__file__).parent.parent / "golden" / "a_django_site_as_an_ordinary_user.json"
"""The case whose expected plan is written out; of each other case the difference to it is."""
OWN_TEMPLATES = (Path(__file__).parents[2] / "docs/how-to/own-templates.md").read_text(encoding="utf-8")
NOBODY = pwd.getpwnam("nobody")
PROGRAMS = {
    "nginx": PurePosixPath("/usr/sbin/nginx"),
    "uwsgi": PurePosixPath("/venv/bin/uwsgi"),
    "supervisord": PurePosixPath("/venv/bin/supervisord"),
    "lego": PurePosixPath("/usr/bin/lego"),
    "openssl": PurePosixPath("/usr/bin/openssl"),
}
USER = User("auth.User", "username", ("email", "first_name", "password", "username"), ())
BY_EMAIL = User("members.Member", "email", ("email", "full_name", "password"), ("full_name",))
ADMIN = {"SUPERUSER_USERNAME": "admin", "SUPERUSER_PASSWORD": "open sesame"}
CREATED = {"password": Secret("open sesame"), "update": False, "development": False}


def hook(path: str) -> Hook:
    return Hook(PurePosixPath(path), () if path.endswith(".envsh") else ("/bin/sh", path))


def machine(**different: Any) -> Machine:
    if "account" in different:
        given = different["account"]
        by_name = given["name"] == "nobody" and given["gid"] == NOBODY.pw_gid
        different["account"] = Account(**{**given, "groups": tuple(given["groups"])}, by_name=by_name)
    if "programs" in different:
        different["programs"] = {name: PurePosixPath(path) for name, path in different["programs"].items()}
    for name in {"brotli_module", "app_nginx_conf"}.intersection(different):
        different[name] = PurePosixPath(different[name])
    for name in {"http_files", "server_files"}.intersection(different):
        different[name] = tuple(map(PurePosixPath, different[name]))
    if "server_confs" in different:
        different["server_confs"] = {name: PurePosixPath(path) for name, path in different["server_confs"].items()}
    if "supervisor_files" in different:
        files = different["supervisor_files"].items()
        different["supervisor_files"] = {PurePosixPath(path): text for path, text in files}
    if "nginx_version" in different:
        different["nginx_version"] = tuple(different["nginx_version"])
    if "hooks" in different:
        different["hooks"] = Hooks({phase: tuple(map(hook, paths)) for phase, paths in different["hooks"].items()})
    if isinstance(different.get("limits"), dict):
        different["limits"] = Limits(**different["limits"])
    usual: dict[str, Any] = {
        "root": False,
        "account": Account(
            NOBODY.pw_uid, NOBODY.pw_gid, (NOBODY.pw_gid,), "nobody", "nogroup", "/nonexistent", by_name=True
        ),
        "app_dir": PurePosixPath("/srv/app"),
        "django": True,
        "python": PurePosixPath("/venv/bin/python"),
        "own_python": PurePosixPath("/venv/bin/python"),
        "served": PurePosixPath("/toolkit/app/served"),
        "programs": PROGRAMS,
        "limits": Limits(4),
        "descriptors": 1 << 20,
        "backlog": 4096,
        "ipv6": True,
        "own_run_dir": False,
        "temporary": PurePosixPath("/tmp"),
        "mime_types": True,
    }
    return Machine(**{**usual, **different})


def application(**different: Any) -> Application:
    usual: dict[str, Any] = {
        "version": "5.2",
        "settings_module": "site.settings",
        "wsgi": "site.wsgi:application",
        "asgi": "site.asgi:application",
        "asynchronous": False,
        "prefix": "/venv",
        "virtual": True,
        "static_url": "/static/",
        "static_root": "/srv/static",
        "media_url": "/media/",
        "media_root": "/srv/media",
        "databases": (Database("default", "postgresql", "site", "db", "5432"),),
        "staticfiles": True,
        "allowed_hosts": ("*",),
        "user": USER,
    }
    return Application(**{**usual, **different})


def given(case: dict[str, Any]) -> tuple[Settings, Facts]:
    """Return the settings, the facts and the expectations of a golden case."""
    stands = application(**case.get("application", {})) if case.get("application", {}) is not None else None
    return settings_of(case), Facts(machine(**case.get("machine", {})), stands)


def settings_of(case: dict[str, Any]) -> Settings:
    """Return the settings of a golden case, whose lines `project` are those of an entrypoint.toml."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("entrypoint.toml").write_text("\n".join(case.get("project", [])), encoding="utf-8")
        return Settings.read(case["environ"])


def plan(environ: dict[str, str] | None = None, **different: Any) -> Plan:
    return make_plan(Settings.read(environ or {}), Facts(machine(), application(**different)))


def text_of(plan: Plan, name: str) -> str:
    (text,) = [file.text for file in plan.files if file.path.name == name]
    return text


def step_of(plan: Plan, name: str) -> Ask | None:
    return next((step for step in plan.steps if isinstance(step, Ask) and step.name == name), None)


def superuser(environ: dict[str, str], user: User | None = USER) -> dict[str, Any] | None:
    step = step_of(plan(environ, user=user), "superuser")
    return step.request._asdict() if step else None


def problems(environ: dict[str, str], **different: Any) -> tuple[str, ...]:
    with pytest.raises(Unusable) as caught:
        plan(environ, **different)
    return caught.value.problems


def golden(path: Path) -> tuple[dict[str, Any], Plan]:
    """Return a golden case, and the plan that is made of it."""
    case = json.loads(path.read_text(encoding="utf-8"))
    return case, make_plan(*given(case))


@pytest.fixture(scope="session")
def step_names() -> set[str]:
    """The names of the steps of all golden cases."""
    return {step.name for path in GOLDEN for step in golden(path)[1].steps}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_whole_plan_of(path: Path, pytestconfig: pytest.Config) -> None:
    made = sections(golden(path)[1])
    text = as_text(made) if path == BASE else as_difference(sections(golden(BASE)[1]), made)
    expected = path.with_suffix(".txt")
    if pytestconfig.getoption("update_golden"):
        expected.write_text(text, encoding="utf-8")
    # Whatever differs is meant: `pytest tests/unit/test_plan.py --update-golden` writes it, and git diff shows it.
    assert text == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_plan_of(path: Path, step_names: set[str]) -> None:
    case, made = golden(path)
    lines = [*map(str, made.steps), str(made.exec)]
    assert [line for line in lines if line in case["steps"]] == case["steps"]
    absent = set(case.get("absent", []))
    assert absent <= step_names  # a name that no plan has forbids nothing
    assert absent.isdisjoint(step.name for step in made.steps)
    for name, parts in case["files"].items():
        text = text_of(made, name)
        assert [part for part in parts["has"] if part not in text] == []
        effective = re.sub(r"^\s*[#;].*$", "", text, flags=re.MULTILINE)
        assert [part for part in parts.get("lacks", []) if part in effective] == []


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_boot_may_begin_before_the_apps_are_loaded(path: Path) -> None:
    settings, facts = given(json.loads(path.read_text(encoding="utf-8")))
    early = facts.application and facts.application._replace(databases=(), staticfiles=False, user=None)
    begun = opening(decide(settings, Facts(facts.machine, None)))
    begun = (*begun, *start(decide(settings, Facts(facts.machine, early)), begun))
    assert (*begun, *rest(decide(settings, facts))) == make_plan(settings, facts).steps


def test_the_golden_cases_are_found() -> None:
    assert len(GOLDEN) >= 7
    assert {path.stem for path in BASE.parent.glob("*.txt")} == {path.stem for path in GOLDEN}


def test_the_same_settings_and_facts_give_the_same_plan() -> None:
    assert plan(ADMIN) == plan(ADMIN)


def test_no_step_line_and_no_file_holds_a_secret() -> None:
    made = plan({**ADMIN, "SUPERUSER_FIRST_NAME": "open sesame"})
    assert "sesame" not in "\n".join([*map(str, made.steps), str(made.exec), *(file.text for file in made.files)])
    assert "sesame" not in repr(made)


def test_the_repr_of_a_program_does_not_show_its_variables(tmp_path: Path) -> None:
    (tmp_path / "entrypoint.toml").write_text('programs.bot = {command = "b", environment = {TOKEN = "open sesame"}}')
    settings = Settings.read({"ENTRYPOINT_APP_DIR": str(tmp_path)})
    made = programs_of(decide(settings, Facts(machine(), application())))
    assert [each.name for each in made if each.supervision.environment.get("TOKEN") == "open sesame"] == ["bot"]
    assert "sesame" not in repr(made)


# ---- the application server

NEEDS_ASGI = "which does not support ASGI; set ENTRYPOINT_SERVER=uvicorn or granian"
NOTHING = "nothing would answer; add your own configuration to /etc/nginx/server.d"


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        (
            {"ENTRYPOINT_APP": "site.asgi:application"},
            f"cannot use ENTRYPOINT_APP=site.asgi:application with uwsgi, {NEEDS_ASGI}",
        ),
        (
            {"ENTRYPOINT_APP": "other.asgi:app", "ENTRYPOINT_SERVER": "gunicorn"},
            f"cannot use ENTRYPOINT_APP=other.asgi:app with gunicorn, {NEEDS_ASGI}",
        ),
        (
            {"ENTRYPOINT_SERVER": "none"},
            f"cannot use ENTRYPOINT_SERVER=none: {NOTHING}",
        ),
        (
            {"ENTRYPOINT_SERVER": "none", "ENTRYPOINT_NGINX": "off"},
            "cannot use ENTRYPOINT_SERVER=none without nginx: nothing would serve the site",
        ),
        (
            {"NGINX_TLS_CERTIFICATE": "/c", "NGINX_TLS_KEY": "/k", "DJANGO_ENV": "development"},
            "cannot use NGINX_TLS_CERTIFICATE without nginx: set ENTRYPOINT_NGINX=on",
        ),
    ],
)
def test_settings_that_cannot_be_served_are_reported(environ: dict[str, str], problem: str) -> None:
    assert problems(environ) == (problem,)


def test_runserver_wants_a_project_of_django() -> None:
    with pytest.raises(Unusable, match=r"there is no manage\.py in /srv/app"):
        make_plan(
            Settings.read({"ENTRYPOINT_SERVER": "runserver", "ENTRYPOINT_APP": "a:b"}),
            Facts(machine(django=False), None),
        )


@pytest.mark.parametrize(
    ("server", "app", "different", "expected"),
    [
        ("uwsgi", "", {"asynchronous": True}, ("site.wsgi:application", "wsgi")),
        ("uvicorn", "", {}, ("site.asgi:application", "asgi")),
        ("uvicorn", "site.wsgi:application", {}, ("site.wsgi:application", "wsgi")),
        ("uvicorn", "main:app", {}, ("main:app", "asgi")),
        ("granian", "", {}, ("site.wsgi:application", "wsgi")),
        ("granian", "", {"asynchronous": True}, ("site.asgi:application", "asgi")),
        ("granian", "other.asgi:app", {}, ("other.asgi:app", "asgi")),
    ],
)
def test_server_and_application_speak_the_same(
    server: str, app: str, different: dict[str, Any], expected: tuple[str, str]
) -> None:
    config = decide(
        Settings.read({"ENTRYPOINT_SERVER": server, "ENTRYPOINT_APP": app}), Facts(machine(), application(**different))
    )
    assert (config.module, config.interface) == expected


@pytest.mark.parametrize(
    ("server", "port", "lowest", "allowed"),
    [
        ("runserver", "80", 1024, False),
        ("runserver", "80", 0, True),
        ("runserver", "8080", 1024, True),
        ("uwsgi", "80", 1024, True),  # process 1 opens the socket
    ],
)
def test_without_nginx_the_port_has_to_be_one_for_the_user_that_opens_it(
    server: str,
    port: str,
    lowest: int,
    allowed: bool,  # noqa: FBT001 -- a table of cases
) -> None:
    settings = Settings.read({"ENTRYPOINT_NGINX": "off", "PORT": port, "ENTRYPOINT_SERVER": server})
    facts = Facts(machine(root=True, lowest_port=lowest), application())
    if allowed:
        assert make_plan(settings, facts)
    else:
        with pytest.raises(
            NotAllowed, match="cannot listen on 80 as nobody: without nginx, PORT must be 1024 or higher"
        ):
            make_plan(settings, facts)


def test_a_file_that_uwsgi_would_read_twice_is_not_named_to_it() -> None:
    own = machine(server_confs={"uwsgi": "/srv/app/my.ini"})
    settings = Settings.read({"UWSGI_INI": "my.ini", "UWSGI_HARAKIRI": "7"})
    given = make_plan(settings, Facts(own, application())).exec.programs
    assert "UWSGI_INI" not in given
    assert given["UWSGI_HARAKIRI"] == "7"


@pytest.mark.parametrize(("conf", "told"), [("daemon off;\n", False), ("  daemon off;", False), ("# daemon\n", True)])
def test_nginx_stays_in_the_foreground_by_the_users_file_or_by_ours(conf: str, told: bool) -> None:  # noqa: FBT001 -- as above
    own = machine(templates={"nginx.conf": conf})
    made = make_plan(Settings.read({"ENTRYPOINT_CONF_DIR": "/own"}), Facts(own, application()))
    assert ("daemon off" in text_of(made, "supervisord.conf")) is told


def test_nginx_in_the_background_is_refused() -> None:
    own = machine(templates={"nginx.conf": "events {}\ndaemon on;\n"})
    with pytest.raises(
        Unusable, match=r"cannot use /own/nginx\.conf: supervisord cannot supervise nginx with `daemon on`"
    ):
        make_plan(Settings.read({"ENTRYPOINT_CONF_DIR": "/own"}), Facts(own, application()))


def test_the_variable_that_may_change_the_workers_is_named() -> None:
    lines = list(map(str, plan({"ENTRYPOINT_SERVER": "gunicorn", "GUNICORN_CMD_ARGS": "--workers 3"}).steps))
    assert "4 CPUs: 8 workers as nobody; unless GUNICORN_CMD_ARGS overrides it" in lines


def test_nginx_reads_a_renewed_certificate_again() -> None:
    made = plan({"NGINX_TLS_CERTIFICATE": "/tls/site.pem", "NGINX_TLS_KEY": "/tls/site.key"})
    nginx = json.loads(text_of(made, "supervision.json"))["programs"]["nginx"]
    assert nginx["reload"] == {"files": ["/tls/site.pem", "/tls/site.key"], "signal": "HUP"}


# ---- logs in files of their own


def logging(folder: Path, **files: str) -> Plan:
    tables = (
        f'[programs.{name}]\ncommand = "{name}"\nreplicas = {2 if name == "worker" else 1}\nlog = "file:{file}"\n'
        for name, file in files.items()
    )
    (folder / "entrypoint.toml").write_text("".join(tables))
    return make_plan(Settings.read({"ENTRYPOINT_APP_DIR": str(folder)}), Facts(machine(), application()))


def test_a_program_logs_to_a_file_that_supervisord_rotates(tmp_path: Path) -> None:
    made = logging(tmp_path, worker="logs/100%.log", beat="/var/log/beat.log")
    conf = text_of(made, "supervisord.conf")
    for file in ("/srv/app/logs/100%%%%_%(process_num)02d.log", "/var/log/beat.log"):
        assert f"\nstdout_logfile = {file}\nstdout_logfile_maxbytes = 50MB\nstdout_logfile_backups = 10\n" in conf
    assert conf.count("stdout_logfile = NONE\n") == 2
    files = "/srv/app/logs/100%_00.log and /srv/app/logs/100%_01.log and /var/log/beat.log"
    assert f"check that {files} can be written" in map(str, made.steps)


def test_two_programs_that_log_to_one_file_are_refused(tmp_path: Path) -> None:
    told = (
        r"cannot use programs\.beat\.log=file:/srv/app/a_01\.log in entrypoint\.toml: another program logs to that file"
    )
    with pytest.raises(Unusable, match=told):
        logging(tmp_path, worker="a.log", beat="/srv/app/a_01.log")


def test_a_path_that_supervisord_would_change_is_reported(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"cannot write '/var/log/a ;b\.log' into supervisord\.conf: "):
        logging(tmp_path, beat="/var/log/a ;b.log")


# ---- the stop


@pytest.mark.parametrize("timeout", ["2", "2.4", "2500ms", "3", "3.9", "5", "8", "10", "28s", "29.5", "1m", "1h"])
def test_the_whole_stop_fits_into_its_timeout(timeout: str) -> None:
    made = plan({"ENTRYPOINT_STOP_TIMEOUT": timeout})
    programs = json.loads(text_of(made, "supervision.json"))["programs"].values()
    guaranteed = sorted(program["stop_seconds"] for program in programs)
    limit = Settings.read({"ENTRYPOINT_STOP_TIMEOUT": timeout}).stop_timeout
    assert len(guaranteed) == 2
    assert min(guaranteed) >= 1
    assert limit - 1 < sum(guaranteed) <= limit
    longest = re.findall(r"stopwaitsecs = (\d+)", text_of(made, "supervisord.conf"))
    assert sorted(map(int, longest)) == [guaranteed[1], int(limit)]


@pytest.mark.parametrize("timeout", ["0", "1", "1.9", "500ms"])
def test_a_stop_that_leaves_someone_no_second_is_refused(timeout: str) -> None:
    (told,) = problems({"ENTRYPOINT_STOP_TIMEOUT": timeout})
    assert told.startswith("cannot use ENTRYPOINT_STOP_TIMEOUT=")


@pytest.mark.parametrize("timeout", ["0", "100ms", "1", "90.4"])
def test_the_server_ends_a_request_a_little_before_nginx_does(timeout: str) -> None:
    made = plan({"ENTRYPOINT_REQUEST_TIMEOUT": timeout})
    (harakiri,) = map(int, re.findall(r"harakiri = (\d+)", text_of(made, "uwsgi.ini")))
    assert harakiri >= 1
    patience = re.findall(r"uwsgi_(read|send)_timeout (\d+)s", text_of(made, "nginx-app.conf"))
    assert patience == [("read", str(harakiri + 5)), ("send", str(harakiri + 5))]


# ---- contradictions


def warned(environ: dict[str, str]) -> list[str]:
    return [str(step) for step in plan(environ).steps if step.name == "warning"]


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"WEB_CONCURRENCY": "3", "UWSGI_PROCESSES": "3"},
        {"UWSGI_PROCESSES": "3"},
        {"UWSGI_HARAKIRI": "64"},
        {"UWSGI_HARAKIRI": ""},
        {"ENTRYPOINT_REQUEST_TIMEOUT": "6s"},
        {"ENTRYPOINT_REQUEST_TIMEOUT": "8s", "ENTRYPOINT_STOP_TIMEOUT": "9s"},
    ],
)
def test_settings_that_fit_together_are_no_warning(environ: dict[str, str]) -> None:
    assert warned(environ) == []


@pytest.mark.parametrize("name", ["UWSGI_PROCESSES", "UWSGI_WORKERS"])
def test_two_settings_for_the_workers_that_differ_are_a_warning(name: str) -> None:
    assert warned({name: "3", "WEB_CONCURRENCY": "5"}) == [
        f"warning: {name}=3 contradicts WEB_CONCURRENCY=5, and uwsgi uses its own variable; unset one of them"
    ]


@pytest.mark.parametrize("seconds", ["65", "90", "0"])
def test_a_server_more_patient_than_nginx_is_a_warning(seconds: str) -> None:
    (warning,) = warned({"UWSGI_HARAKIRI": seconds})
    assert warning == (
        f"warning: with UWSGI_HARAKIRI={seconds} a request may exceed nginx's timeout of 65 s: "
        "set ENTRYPOINT_REQUEST_TIMEOUT instead"
    )


@pytest.mark.parametrize("timeout", ["8s", "20s", "1h", "366m"])
def test_the_value_that_a_warning_of_the_stop_names_mends_it(timeout: str) -> None:
    (warning,) = warned({"ENTRYPOINT_REQUEST_TIMEOUT": timeout})
    assert "but a stop aborts it after 6 s: set ENTRYPOINT_STOP_TIMEOUT=" in warning
    enough = int(warning.partition("ENTRYPOINT_STOP_TIMEOUT=")[2].partition("s")[0])
    assert not aborted({"ENTRYPOINT_REQUEST_TIMEOUT": timeout, "ENTRYPOINT_STOP_TIMEOUT": f"{enough}s"})
    assert aborted({"ENTRYPOINT_REQUEST_TIMEOUT": timeout, "ENTRYPOINT_STOP_TIMEOUT": f"{enough - 1}s"})


def aborted(environ: dict[str, str]) -> bool:
    return any("but a stop aborts it" in warning for warning in warned(environ))


def test_the_stop_timeout_for_the_longest_request_is_hardly_longer_than_that() -> None:
    workers = {f"ENTRYPOINT_PROGRAM_{name}": "w" for name in ("WORKER", "BEAT")}
    (warning,) = warned({"ENTRYPOINT_REQUEST_TIMEOUT": "60s", **workers})
    assert "set ENTRYPOINT_STOP_TIMEOUT=62s with docker run --stop-timeout 64 or terminationGraceP" in warning


DOCKER = "docker run --stop-timeout"
KILLED = "Docker kills the container"
KUBERNETES = "terminationGracePeriodSeconds:"


@pytest.mark.parametrize(
    ("seconds", "kubernetes", "told"),
    [
        ("9", False, None),
        ("10", False, f"10s needs {DOCKER} 12: without that, {KILLED} after 10 s"),
        ("25", False, f"25s needs {DOCKER} 27: without that, {KILLED} after 10 s"),
        ("29", True, None),
        ("70", True, f"70s needs {KUBERNETES} 72: without that, Kubernetes kills the container after 30 s"),
        (
            "70",
            False,
            f"70s needs {DOCKER} 72 or {KUBERNETES} 72: without that, {KILLED} after 10 s, Kubernetes after 30 s",
        ),
    ],
)
def test_a_stop_that_the_engine_would_cut_short_is_a_warning(seconds: str, kubernetes: bool, told: str | None) -> None:  # noqa: FBT001 -- a parameter
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"} if kubernetes else {}
    expected = [f"warning: ENTRYPOINT_STOP_TIMEOUT={told}"] if told else []
    assert warned({"ENTRYPOINT_STOP_TIMEOUT": f"{seconds}s", **environ}) == expected


@pytest.mark.parametrize("name", ["UWSGI_PROCESSES", "UWSGI_WORKERS"])
def test_workers_of_uwsgis_own_variable_are_left_to_it(name: str) -> None:
    made = plan({name: "3"})
    assert "processes =" not in text_of(made, "uwsgi.ini")
    assert f"4 CPUs: 3 workers as nobody; set by {name}" in map(str, made.steps)


def test_a_harakiri_of_uwsgis_own_variable_is_left_to_it() -> None:
    assert "harakiri =" not in text_of(plan({"UWSGI_HARAKIRI": "5"}), "uwsgi.ini")


# ---- settings that do not suit production


@pytest.mark.parametrize("environ", [{"ENTRYPOINT_APP_LOGGING": "off"}, {"DJANGO_ENV": "development"}])
@pytest.mark.parametrize("server", ["uwsgi", "gunicorn", "uvicorn", "granian"])
def test_the_errors_of_requests_may_stay_out_of_the_log(server: str, environ: dict[str, str]) -> None:
    made = plan({"ENTRYPOINT_SERVER": server, "ENTRYPOINT_NGINX": "on", **environ})
    assert not [file.path.name for file in made.files if "/toolkit/" in file.text or "log_failed" in file.text]


NO_STATIC: dict[str, Any] = {"static_root": "", "needs_static_root": True}
UNWRITABLE = "cannot use MEDIA_ROOT: nobody cannot write /srv/media; chown nobody /srv/media"


def told_of(environ: dict[str, str] | None = None, on: Machine | None = None, **different: Any) -> list[str]:
    """Return how the warnings about an application that differs from the usual one begin."""
    made = make_plan(Settings.read(environ or {}), Facts(on or machine(), application(**different)))
    return [str(step).split(": ")[1] for step in made.steps if step.name == "warning"]


@pytest.mark.parametrize(
    ("different", "begins"),
    [
        ({"debug": True}, "DEBUG is on in site.settings"),
        ({"weak_key": "it has fewer than 32 characters"}, "SECRET_KEY can be guessed"),
        ({"allowed_hosts": ()}, "ALLOWED_HOSTS names no host"),
        ({"allowed_hosts": ("", " ")}, "ALLOWED_HOSTS names no host"),
        (
            {"allowed_hosts": ("a.example,b.example",)},
            'ALLOWED_HOSTS contains "a.example,b.example", which allows no host',
        ),
        ({"allowed_hosts": ("a.example", " b")}, 'ALLOWED_HOSTS contains " b", which allows no host'),
        ({"allowed_hosts": ("https://a.example",)}, 'ALLOWED_HOSTS contains "https://a.example", which allows no host'),
        ({"allowed_hosts": ("a.example:8000",)}, 'ALLOWED_HOSTS contains "a.example:8000", which allows no host'),
        (NO_STATIC, "STATIC_ROOT is not set"),
        ({"unwritable": (UNWRITABLE,)}, "cannot use MEDIA_ROOT"),
    ],
)
def test_each_mistake_is_one_line_except_in_development(different: dict[str, Any], begins: str) -> None:
    assert told_of(**different) == [begins]
    assert told_of({"DJANGO_ENV": "development", "ENTRYPOINT_SERVER": "uwsgi"}, **different) == []


@pytest.mark.parametrize(
    ("environ", "different"),
    [
        ({}, {}),
        ({}, {"debug": True, "allowed_hosts": ()}),
        ({}, {"allowed_hosts": (".a.example", "10.0.0.1", "[::1]", "web_1", "")}),
        ({}, {**NO_STATIC, "staticfiles": False}),
        ({}, {**NO_STATIC, "needs_static_root": False}),
        ({}, {**NO_STATIC, "static_url": "https://cdn.example/"}),
        ({}, {**NO_STATIC, "static_url": "//cdn.example/"}),
        ({"NGINX_STATIC_ROOT": "/srv/assets"}, NO_STATIC),
        ({"ENTRYPOINT_COLLECTSTATIC": "off"}, NO_STATIC),
        ({"ENTRYPOINT_PROGRAMS": "worker", "ENTRYPOINT_PROGRAM_WORKER": "sleep 9"}, {**NO_STATIC, "allowed_hosts": ()}),
    ],
)
def test_files_that_are_served_in_another_way_are_no_mistake(
    environ: dict[str, str], different: dict[str, Any]
) -> None:
    begins = ["DEBUG is on in site.settings"] if different.get("debug") else []
    assert told_of(environ, **different) == begins


def test_a_hook_may_still_make_a_folder_writable() -> None:
    hooks = Hooks({"pre-migrate": (hook("/docker-entrypoint.d/pre-migrate.d/10-chown.sh"),)})
    assert told_of(on=replace(machine(), hooks=hooks), unwritable=(UNWRITABLE,)) == []


def test_an_image_build_does_not_warn_about_the_environment() -> None:
    made = make_plan(Settings.read({}), Facts(machine(), application(allowed_hosts=())), ahead=True)
    assert [step for step in made.steps if step.name == "warning"] == []


# ---- user programs


def supervised(folder: Path, text: str, **environ: str) -> dict[str, Any]:
    """Return the supervision config of each process where the project's file in `folder` says `text`."""
    (folder / "entrypoint.toml").write_text(text, encoding="utf-8")
    settings = Settings.read({"ENTRYPOINT_APP_DIR": str(folder), **environ})
    made = make_plan(settings, Facts(machine(), application()))
    programs: dict[str, Any] = json.loads(text_of(made, "supervision.json"))["programs"]
    return programs


def test_each_replica_has_its_config_and_later_programs_wait_for_all(tmp_path: Path) -> None:
    text = """
        programs.worker = {command = "w", replicas = 2, after = ["web"], memory_limit = "1k", environment = {A = "1"}}
        programs.beat = {command = "b", after = ["worker", "nginx"], essential = true, log = "raw"}
    """
    found = supervised(tmp_path, text)
    assert sorted(found) == ["beat", "nginx", "uwsgi", "worker_00", "worker_01"]
    assert found["worker_00"] == found["worker_01"]
    assert found["worker_00"]["after"] == ["uwsgi"]
    assert (found["worker_00"]["memory_limit"], found["worker_00"]["environment"]) == (1024, {"A": "1"})
    assert found["beat"]["after"] == ["worker_00", "worker_01", "nginx"]
    assert (found["beat"]["essential"], found["beat"]["raw"]) == (True, True)


def test_no_program_waits_for_one_in_another_container(tmp_path: Path) -> None:
    text = 'programs.worker = {command = "w", after = ["web", "beat"]}\nprograms.beat.command = "b"'
    assert "after" not in supervised(tmp_path, text, ENTRYPOINT_PROGRAMS="worker")["worker"]


def test_other_programs_wait_for_a_users_web(tmp_path: Path) -> None:
    text = 'programs.web.command = "gunicorn"\nprograms.beat = {command = "b", after = "web"}'
    found = supervised(tmp_path, text)
    assert sorted(found) == ["beat", "nginx", "web"]
    assert found["beat"]["after"] == ["web"]


def test_a_one_shot_program_is_not_started_again(tmp_path: Path) -> None:
    found = supervised(tmp_path, 'programs.job = {command = "j", ready = "exit"}', ENTRYPOINT_PROGRAMS="job")
    assert found["job"] == {"ready": "exit", "restart": "on-failure", "stop_order": 10, "stop_seconds": 8}


def test_the_program_without_room_in_the_stop_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unusable) as caught:
        supervised(tmp_path, 'programs.worker = {command = "w", stop_timeout = "7s"}')
    assert "programs.worker.stop_timeout=7s in entrypoint.toml does not fit" in str(caught.value)


def test_a_stop_with_workers_is_long_enough_where_the_warning_says_so() -> None:
    environ = {"ENTRYPOINT_PROGRAM_WORKER": "w", "ENTRYPOINT_REQUEST_TIMEOUT": "20s"}
    (warning,) = warned(environ)
    enough = int(warning.partition("ENTRYPOINT_STOP_TIMEOUT=")[2].partition("s")[0])
    assert not aborted({**environ, "ENTRYPOINT_STOP_TIMEOUT": f"{enough}s"})
    assert aborted({**environ, "ENTRYPOINT_STOP_TIMEOUT": f"{enough - 1}s"})


# ---- files that nginx serves itself


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("https://cdn.example.com/static/", "/srv/static"),
        ("//cdn.example.com/static/", "/srv/static"),
        ("/", "/srv/static"),
        ("", "/srv/static"),
        ("/static/", ""),
    ],
)
def test_files_that_nginx_cannot_serve_are_left_to_the_application(url: str, root: str) -> None:
    made = plan(static_url=url, static_root=root, media_url=url, media_root=root)
    assert "^~" not in text_of(made, "nginx-app.conf")


@pytest.mark.parametrize(("url", "root"), [("/s/", "/srv/s"), ("/s", "/srv/s/"), ("/s/", "/srv/s/")])
def test_prefix_and_folder_both_end_in_a_slash(url: str, root: str) -> None:
    text = text_of(plan(static_url=url, static_root=root), "nginx-app.conf")
    assert 'location ^~ "/s/" {  # STATIC_ROOT\n        alias "/srv/s/";' in text


@pytest.mark.parametrize(
    ("environ", "missing"),
    [({"NGINX_MEDIA_URL": "/m/"}, "ROOT"), ({"NGINX_MEDIA_ROOT": "/srv/m"}, "URL")],
)
def test_a_folder_is_served_only_where_both_its_ends_are_known(environ: dict[str, str], missing: str) -> None:
    (told,) = problems(environ, media_url="", media_root="")
    assert told.endswith(f": neither NGINX_MEDIA_{missing} nor Django's MEDIA_{missing} is set")


@pytest.mark.parametrize(
    ("soft", "hard", "connections", "limit"),
    [
        (1 << 20, 1 << 20, "1024", None),
        (1024, 1 << 20, "1024", 2368),
        (1024, 2000, "4096", 2000),
        (1024, 1024, "4096", None),
        (1024, NO_LIMIT, "1024", 2368),
        (NO_LIMIT, NO_LIMIT, "1024", None),
    ],
)
def test_nginx_raises_its_limit_of_descriptors_as_far_as_it_may(
    soft: int, hard: int, connections: str, limit: int | None
) -> None:
    facts = Facts(machine(descriptors=soft, most_descriptors=hard), application())
    text = text_of(make_plan(Settings.read({"NGINX_WORKER_CONNECTIONS": connections}), facts), "nginx.conf")
    assert f"worker_connections {connections};" in text
    assert re.findall(r"worker_rlimit_nofile (\d+);", text) == ([str(limit)] if limit else [])


def test_an_infinite_limit_of_descriptors_is_a_number_that_each_program_can_use() -> None:
    made = make_plan(Settings.read({}), Facts(machine(descriptors=NO_LIMIT, most_descriptors=NO_LIMIT), application()))
    assert "max-fd = 65536\n" in text_of(made, "uwsgi.ini")
    infinite = {resource.RLIM_INFINITY: NO_LIMIT}
    of_this = resource.getrlimit(resource.RLIMIT_CPU)
    assert limits_of(resource.RLIMIT_CPU) == tuple(infinite.get(each, each) for each in of_this)


def test_the_descriptors_that_are_asked_for_must_be_allowed() -> None:
    settings = Settings.read({"NGINX_WORKER_OPEN_FILES": "5000"})
    made = make_plan(settings, Facts(machine(), application()))
    assert "worker_rlimit_nofile 5000;" in text_of(made, "nginx.conf")
    with pytest.raises(Unusable, match="NGINX_WORKER_OPEN_FILES=5000: the limit of open files is 4096"):
        make_plan(settings, Facts(machine(most_descriptors=4096), application()))


@pytest.mark.parametrize(("soft", "said"), [(1 << 30, "1073741824"), (NO_LIMIT, "infinite")])
def test_the_doctor_finds_a_limit_of_descriptors_that_is_too_high(soft: int, said: str) -> None:
    facts = Facts(machine(descriptors=soft, most_descriptors=soft), application())
    [found] = [each for each in of_config(decide(Settings.read({}), facts), "") if "open files" in each.problem]
    assert found.problem.startswith(f"the limit of open files is {said}: ")
    assert (found.remedy, found.where) == ("--ulimit nofile=65536:65536", "an option of docker run")


def test_auto_is_one_worker_of_nginx_for_each_cpu() -> None:
    made = make_plan(Settings.read({"NGINX_WORKER_PROCESSES": "auto"}), Facts(machine(), application()))
    assert "worker_processes 4;" in text_of(made, "nginx.conf")


def test_an_nginx_conf_for_uwsgi_needs_uwsgi() -> None:
    whole = "events {}\nhttp { server { location / { uwsgi_pass unix:/tmp/uwsgi.sock; } } }\n"
    own = machine(
        django=False,
        templates={"nginx.conf": whole},
        app_nginx_conf="/app/nginx.conf",
        programs={**PROGRAMS, "gunicorn": "/g"},
    )
    settings = Settings.read({"ENTRYPOINT_APP": "main:app", "ENTRYPOINT_SERVER": "gunicorn"})
    with pytest.raises(Unusable, match="it passes requests to uWSGI at /tmp/uwsgi"):
        make_plan(settings, Facts(own, None))


def test_a_static_page_needs_static_files() -> None:
    settings = Settings.read({"NGINX_STATIC_INDEX": "index.html"})
    with pytest.raises(Unusable, match="nginx serves no static files; set NGINX_STATIC_ROOT"):
        make_plan(settings, Facts(machine(), application(static_root="")))


@pytest.mark.parametrize(
    ("wanted", "there", "expected"), [("auto", False, 1), ("auto", True, 2), ("on", False, 2), ("off", True, 1)]
)
def test_nginx_listens_on_ipv6_as_the_setting_and_the_machine_say(wanted: str, expected: int, *, there: bool) -> None:
    made = make_plan(Settings.read({"NGINX_IPV6": wanted}), Facts(machine(ipv6=there), application()))
    assert len(re.findall(r"listen .*:8080", text_of(made, "nginx-app.conf"))) == expected


def test_static_files_are_not_collected_without_a_place_or_the_app() -> None:
    assert step_of(plan(static_root=""), "collectstatic") is None
    assert step_of(plan(staticfiles=False), "collectstatic") is None


def test_a_folder_that_no_file_can_carry_is_refused() -> None:
    assert problems({}, static_root="/srv/$static") == (
        "cannot write /srv/$static/ into nginx.conf: nginx would expand its $",
    )


# ---- the superuser


def test_no_superuser_is_made_unless_one_is_named() -> None:
    assert superuser({}) is None
    assert superuser({"SUPERUSER_EMAIL": "a@b.c", "ENTRYPOINT_SUPERUSER": "off"}) is None
    assert superuser({**ADMIN, "ENTRYPOINT_SUPERUSER": "off"}) is None


def test_a_superuser_gets_what_the_user_model_has() -> None:
    environ = {**ADMIN, "SUPERUSER_EMAIL": "a@b.c", "SUPERUSER_FIRST_NAME": "Ada"}
    assert superuser(environ) == {
        "name": "admin",
        "fields": {"email": Secret("a@b.c"), "first_name": Secret("Ada")},
        **CREATED,
    }


def test_an_address_is_left_out_where_the_user_model_has_none() -> None:
    made = superuser({**ADMIN, "SUPERUSER_EMAIL": "a@b.c"}, User("m.User", "username", ("username",), ()))
    assert made == {"name": "admin", "fields": {}, **CREATED}


def test_an_address_is_the_name_where_users_log_in_by_it() -> None:
    environ = {"SUPERUSER_EMAIL": "a@b.c", "SUPERUSER_PASSWORD": "pw", "SUPERUSER_FULL_NAME": "Ada"}
    made = superuser(environ, BY_EMAIL)
    assert made is not None
    assert made["name"] == "a@b.c"
    assert made["fields"]["full_name"] == Secret("Ada")


def test_an_address_is_the_name_beside_a_username_that_the_model_asks_for() -> None:
    user = User("members.Member", "email", ("email", "password", "username"), ("username",))
    made = superuser({**ADMIN, "SUPERUSER_EMAIL": "a@b.c"}, user)
    assert made == {"name": "a@b.c", "fields": {"username": Secret("admin")}, **CREATED}


def test_a_field_that_is_the_name_may_be_given_by_its_own_variable() -> None:
    user = User("members.Member", "handle", ("handle", "password"), ())
    environ = {"DJANGO_SUPERUSER_HANDLE": "ada", "DJANGO_SUPERUSER_PASSWORD": "open sesame"}
    assert superuser(environ, user) == {"name": "ada", "fields": {}, **CREATED}


def test_a_superuser_may_be_set_again_at_each_start() -> None:
    environ = {**ADMIN, "ENTRYPOINT_SUPERUSER": "update", "DJANGO_ENV": "development"}
    made = superuser(environ)
    assert made is not None
    assert (made["update"], made["development"]) == (True, True)
    assert str(step_of(plan(environ), "superuser")) == "create or update superuser admin"


def test_a_superuser_by_address_needs_a_password_too() -> None:
    environ = {"SUPERUSER_EMAIL": "a@b.c", "SUPERUSER_FULL_NAME": "Ada"}
    assert problems(environ, user=BY_EMAIL) == ("cannot create the superuser: SUPERUSER_PASSWORD is not set",)


def test_settings_that_give_no_superuser_are_an_error_that_names_what_is_missing() -> None:
    name = "cannot create the superuser: SUPERUSER_USERNAME is not set; users of auth.User log in by username"
    password = "cannot create the superuser: SUPERUSER_PASSWORD is not set"
    assert problems({"SUPERUSER_PASSWORD": "pw"}) == (name,)
    assert problems({"SUPERUSER_EMAIL": "a@b.c"}) == (name, password)
    assert problems({"SUPERUSER_EMAIL": "a@b.c", "SUPERUSER_PASSWORD": "pw"}) == (name,)
    assert problems({"SUPERUSER_USERNAME": "ada"}) == (password,)
    assert problems({"SUPERUSER_PASSWORD": "pw"}, user=BY_EMAIL)[0] == (
        "cannot create the superuser: SUPERUSER_EMAIL is not set; users of members.Member log in by email"
    )


def test_a_name_of_another_image_is_reported_with_ours() -> None:
    assert problems({"SUPERUSER_NAME": "ada", "SUPERUSER_PASSWORD": "pw"})[0] == (
        "cannot use SUPERUSER_NAME: auth.User has no such field; did you mean SUPERUSER_USERNAME?"
    )


def test_djangos_settings_describe_the_superuser_where_the_environment_is_silent() -> None:
    user = USER._replace(superuser={"username": Secret("ada"), "password": Secret("pw"), "email": Secret("a@b.c")})
    made = superuser({}, user)
    assert made is not None
    assert (made["name"], made["password"], made["fields"]) == ("ada", Secret("pw"), {"email": Secret("a@b.c")})
    made = superuser({"SUPERUSER_USERNAME": "bob"}, user)
    assert made is not None
    assert (made["name"], made["password"]) == ("bob", Secret("pw"))


def test_a_superuser_of_what_is_not_django_is_a_warning() -> None:
    made = make_plan(Settings.read(ADMIN | {"ENTRYPOINT_APP": "a:b"}), Facts(machine(django=False), None))
    warned = [str(step) for step in made.steps if step.name == "warning"]
    names = "SUPERUSER_PASSWORD, SUPERUSER_USERNAME"
    assert f"warning: {names}: no superuser is created: there is no manage.py in /srv/app" in warned


def test_fields_that_are_unknown_or_missing_are_reported_together() -> None:
    environ = {"SUPERUSER_EMAIL": "a@b.c", "SUPERUSER_PASSWORD": "pw", "SUPERUSER_NICK": "x", "SUPERUSER_AGE": "3"}
    assert problems(environ, user=BY_EMAIL) == (
        "cannot use SUPERUSER_AGE: members.Member has no such field",
        "cannot use SUPERUSER_NICK: members.Member has no such field",
        "cannot create the superuser: SUPERUSER_FULL_NAME is not set",
    )


def test_a_superuser_is_refused_where_there_are_no_users() -> None:
    assert problems(ADMIN, user=None) == ("cannot create the superuser: django.contrib.auth is not installed",)


# ---- programs, ports and places


def test_a_missing_program_is_a_step_of_the_plan_and_no_failure_of_it() -> None:
    made = make_plan(Settings(), Facts(machine(programs={}), application()))
    (find,) = [step for step in made.steps if isinstance(step, FindPrograms)]
    assert find.programs == {"nginx": None, "uwsgi": None, "supervisord": None}


def test_programs_and_port_are_looked_at_before_anything_is_written_or_migrated() -> None:
    names = [step.name for step in plan(ADMIN).steps]
    assert names == [
        "settings",
        "programs",
        "port",
        "render",
        "serve",
        "serve",
        "application",
        "sizes",
        "render",
        "serve",
        "validate",
        "serve",
        "wait",
        "migrate",
        "superuser",
        "collectstatic",
        "serve",
    ]


def test_an_application_that_is_nowhere_is_refused() -> None:
    with pytest.raises(Unusable) as caught:
        make_plan(Settings(), Facts(machine(django=False), None))
    assert str(caught.value) == (
        "cannot find the application: there is no manage.py in /srv/app, "
        "and ENTRYPOINT_APP is not set; set ENTRYPOINT_APP_DIR to the application's folder"
    )


def test_a_run_directory_with_a_colon_is_refused() -> None:
    (told,) = problems({"ENTRYPOINT_RUN_DIR": "/run/a:b"})
    assert told == "cannot use ENTRYPOINT_RUN_DIR=/run/a:b: uWSGI takes the text after a colon as a section name"


def test_a_run_directory_leaves_room_for_each_socket() -> None:
    assert plan({"ENTRYPOINT_RUN_DIR": "/run/".ljust(83, "x")})
    longest = f"{'/run/'.ljust(84, 'x')}/supervisor.sock.4194304"  # supervisord binds it by its PID
    (told,) = problems({"ENTRYPOINT_RUN_DIR": str(PurePosixPath(longest).parent)})
    assert told == f"cannot use ENTRYPOINT_RUN_DIR: {longest} exceeds the 107 bytes of a Unix socket's path"


def test_fewer_connections_than_a_worker_needs_are_refused() -> None:
    listening = {"PORT": "127.0.0.1:8000"}
    (told,) = problems({**listening, "NGINX_WORKER_CONNECTIONS": "3"})
    assert told.startswith("cannot use NGINX_WORKER_CONNECTIONS=3: a worker needs at least 4,")
    assert plan({**listening, "NGINX_WORKER_CONNECTIONS": "4"}).files


def test_two_sites_of_one_user_write_to_different_places() -> None:
    places = {str(plan({"PORT": port}).files[0].path.parent) for port in ("8001", "8002")}
    assert places == {f"/tmp/entrypoint-{NOBODY.pw_uid}-{port}" for port in (8001, 8002)}


@pytest.mark.parametrize(
    ("cpus", "mib", "workers"),
    [
        (0.1, None, 2),
        (0.5, None, 2),
        (0.5, 256, 1),
        (1, None, 2),
        (1.2, None, 3),
        (2, None, 4),
        (2, 64, 1),
        (2, 383, 1),
        (2, 384, 2),
        (2, 1024, 4),
        (64, None, 32),
    ],
)
def test_there_are_two_workers_a_cpu_as_far_as_memory_goes(cpus: float, mib: int | None, workers: int) -> None:
    limits = Limits(cpus, None if mib is None else mib << 20)
    made = make_plan(Settings(), Facts(machine(limits=limits), application()))
    assert f"processes = {workers}\n" in text_of(made, "uwsgi.ini")


@pytest.mark.parametrize(("cpus", "workers"), [(0.1, 1), (1, 1), (1.5, 2), (4, 4)])
def test_nginx_has_a_worker_for_each_cpu_that_is_granted(cpus: float, workers: int) -> None:
    made = make_plan(Settings(), Facts(machine(limits=Limits(cpus)), application()))
    assert f"worker_processes {workers};" in text_of(made, "nginx.conf")


def test_one_worker_is_run_where_that_is_asked_for() -> None:
    assert "processes = 1\n" in text_of(plan({"WEB_CONCURRENCY": "1"}), "uwsgi.ini")


@pytest.mark.parametrize(("allowed", "listen"), [(128, 128), (4096, 1024)])
def test_the_queue_of_connections_is_as_long_as_the_kernel_allows(allowed: int, listen: int) -> None:
    made = make_plan(Settings(), Facts(machine(backlog=allowed), application()))
    assert f"listen = {listen}\n" in text_of(made, "uwsgi.ini")


def test_a_user_by_a_name_that_has_another_group_is_set_by_its_numbers() -> None:
    account = {"uid": NOBODY.pw_uid, "gid": 4242, "groups": [4242], "name": "nobody", "group": None, "home": "/"}
    made = make_plan(Settings(), Facts(machine(root=True, account=account), application()))
    supervision = json.loads(text_of(made, "supervision.json"))
    assert supervision["programs"]["uwsgi"]["identity"] == {"uid": NOBODY.pw_uid, "gid": 4242, "groups": [4242]}


@pytest.mark.parametrize("prefix", ["SUPERUSER_", "DJANGO_SUPERUSER_"])
@pytest.mark.parametrize("field", ["FIRST_NAME", "LAST_NAME_FILE", "PASSWORD"])
def test_the_programs_get_nothing_that_makes_the_superuser(tmp_path: Path, prefix: str, field: str) -> None:
    (tmp_path / "name").write_text("open sesame\n")
    text = str(tmp_path / "name") if field.endswith("_FILE") else "open sesame"
    user = User("auth.User", "username", ("email", "first_name", "last_name", "password", "username"), ())
    given = plan({**ADMIN, prefix + field: text}, user=user).exec.programs
    assert given["SUPERUSER_USERNAME"] == "admin"
    assert not {name for name in given if name.startswith(prefix)} - {"SUPERUSER_USERNAME"}
    assert not [text for text in given.values() if "sesame" in text]


def test_the_programs_get_their_environment_through_the_exec() -> None:
    environ = {"PATH": "/usr/bin", "SECRET_KEY": "s", "PYTHONUNBUFFERED": ""}
    made = make_plan(Settings.read(environ), Facts(machine(root=True), application()))
    assert made.exec.directory == PurePosixPath("/srv/app")
    assert made.exec.programs == {
        "PATH": "/venv/bin:/usr/bin",
        "SECRET_KEY": "s",
        "DJANGO_ENV": "production",
        "DJANGO_SETTINGS_MODULE": "site.settings",
        "HOME": "/nonexistent",
        "USER": "nobody",
        "LOGNAME": "nobody",
        "PYTHONUNBUFFERED": "",
    }


def test_an_ordinary_user_keeps_the_home_that_it_has() -> None:
    made = plan({"HOME": "/home/me", "PATH": "/venv/bin:/usr/bin"})
    assert (made.exec.programs["HOME"], made.exec.programs["PATH"]) == ("/home/me", "/venv/bin:/usr/bin")


def test_supervisord_itself_gets_nothing_of_the_applications() -> None:
    environ = {"PATH": "/srv/bin", "TZ": "Europe/Zurich", "LC_ALL": "C", "SECRET_KEY": "s", "PYTHONPATH": "/srv"}
    files = {"/etc/supervisor/conf.d/a.conf": "[program:a]\ncommand=a %(ENV_QUEUE)s %(ENV_PYTHONPATH)s"}
    own = machine(root=True, own_path="/usr/bin", own_home="/root", supervisor_files=files)
    made = make_plan(Settings.read({**environ, "QUEUE": "mail"}), Facts(own, application()))
    assert made.exec.environment == {
        "PATH": "/usr/bin",
        "HOME": "/root",
        "TZ": "Europe/Zurich",
        "LC_ALL": "C",
        "QUEUE": "mail",
    }


def uvicorn_on(port: str, **environ: str) -> Plan:
    settings = Settings.read({"ENTRYPOINT_NGINX": "off", "ENTRYPOINT_SERVER": "uvicorn", "PORT": port, **environ})
    servers = {**PROGRAMS, "uvicorn": PurePosixPath("/venv/bin/uvicorn")}
    return make_plan(settings, Facts(machine(programs=servers), application()))


@pytest.mark.parametrize(
    ("environ", "signalled"),
    [
        ({"ENTRYPOINT_NGINX": "on", "WEB_CONCURRENCY": "2"}, True),
        ({"ENTRYPOINT_NGINX": "off", "WEB_CONCURRENCY": "2"}, True),
        ({"ENTRYPOINT_NGINX": "off", "DJANGO_ENV": "development"}, False),  # clients may still connect
        ({"ENTRYPOINT_NGINX": "on", "WEB_CONCURRENCY": "1"}, False),  # its children are the application's
        ({"ENTRYPOINT_NGINX": "on", "UVICORN_WORKERS": "2"}, False),
    ],
)
def test_the_workers_of_uvicorn_get_a_stop_signal_where_nobody_else_connects(
    environ: dict[str, str], *, signalled: bool
) -> None:
    config = from_json(SupervisionConfig, text_of(uvicorn_on("8080", **environ), "supervision.json"), "it")
    assert (config.programs["uvicorn"].stop_children is not None) is signalled


@pytest.mark.parametrize("port", ["8080", "127.0.0.1:8080", "[::1]:8080", "0.0.0.0:8080", "[::]:8080"])
def test_a_server_is_probed_where_it_listens(port: str) -> None:
    config = from_json(SupervisionConfig, text_of(uvicorn_on(port), "supervision.json"), "it")
    assert config.programs["uvicorn"].ready.port == 8080


def test_an_address_of_an_interface_cannot_be_probed() -> None:
    with pytest.raises(Unusable, match=r"^cannot probe uvicorn by tcp:\[fe80::1%eth0\]:8080: "):
        uvicorn_on("[fe80::1%eth0]:8080")


@pytest.mark.parametrize(
    ("value", "read"), [("192.0.2.7 10.0.0.0/8, ::1", "192.0.2.7,10.0.0.0/8,::1"), ("*", "*"), ("", None)]
)
def test_without_nginx_the_server_gets_the_proxies_in_its_own_form(value: str, read: str | None) -> None:
    config = from_json(
        SupervisionConfig, text_of(uvicorn_on("8080", FORWARDED_ALLOW_IPS=value), "supervision.json"), "it"
    )
    assert config.programs["uvicorn"].environment.get("FORWARDED_ALLOW_IPS") == read


def test_the_supervision_config_is_what_supervision_reads() -> None:
    supervision = json.loads(text_of(plan(), "supervision.json"))
    assert supervision["programs"] == {
        "uwsgi": {
            "essential": True,
            "ready": "notify",
            "first_request": {
                "to": "unix:/tmp/entrypoint-65534-8080/app/uwsgi.sock",
                "protocol": "uwsgi",
                "path": "/",
                "host": "localhost",
                "scheme": "http",
                "seconds": 65.0,
                "any_status": True,
            },
            "liveness": "process",
            "accepts": "unix:/tmp/entrypoint-65534-8080/app/uwsgi.sock",
            "patience": 60,
            "restart": "always",
            "stop_order": 20,
            "stop_seconds": 2,
            "stop_interval": 0.1,
            "stop_children": {"signal": "HUP", "handles": "USR2", "late": True},
            "environment": {
                "ENTRYPOINT_APP": "site.wsgi:application",
                "ENTRYPOINT_NGINX": "on",
                "ENTRYPOINT_LOG_FORMAT": "text",
                "NGINX_SERVER_NAME": "_",
            },
            "application": {
                "server": "uwsgi",
                "module": "site.wsgi:application",
                "setting": "WSGI_APPLICATION",
                "folder": "/srv/app",
            },
        },
        "nginx": {
            "essential": True,
            "liveness": "process",
            "accepts": "tcp:0.0.0.0:8080",
            "restart": "always",
            "stop_order": 30,
            "stop_seconds": 6,
        },
    }


def first_request(environ: dict[str, str], **different: Any) -> dict[str, Any] | None:
    programs = json.loads(text_of(plan(environ, **different), "supervision.json"))["programs"]
    (request,) = [program.get("first_request") for name, program in programs.items() if name != "nginx"]
    return request and {key: value for key, value in request.items() if key in ("to", "protocol", "path", "any_status")}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"ENTRYPOINT_READY_PATH": "off"}, None),
        ({"DJANGO_ENV": "development"}, None),
        (
            {"ENTRYPOINT_READY_PATH": "/up/?a", "ENTRYPOINT_SERVER": "gunicorn"},
            {"to": "unix:/tmp/entrypoint-65534-8080/app/gunicorn.sock", "protocol": "http", "path": "/up/?a"},
        ),
        (
            {"ENTRYPOINT_NGINX": "off", "PORT": "8080"},
            {"to": "tcp:0.0.0.0:8080", "protocol": "http", "path": "/", "any_status": True},
        ),
        (
            {"ENTRYPOINT_PROGRAM_WEB": "serve"},
            {"to": "tcp:127.0.0.1:8081", "protocol": "http", "path": "/", "any_status": True},
        ),
        ({"ENTRYPOINT_PROGRAM_WEB": "serve", "ENTRYPOINT_NGINX": "off", "PORT": "8080"}, None),
    ],
)
def test_the_first_request_follows_from_the_server_and_the_setting(
    environ: dict[str, str], expected: dict[str, Any] | None
) -> None:
    assert first_request(environ) == expected


def test_nothing_of_another_programs_user_is_handed_over() -> None:
    accounts = {name: Account(uid, uid, (), name, name, "/") for name, uid in {"worker": 900, "again": 1234}.items()}
    here = replace(machine(root=True), account=accounts["again"], accounts=accounts)
    made = make_plan(Settings.read({"PUID": "1234"}), Facts(here, application()))
    assert [step.others for step in made.steps if isinstance(step, HandOver)] == [(900,)]


@pytest.mark.parametrize(
    ("names", "allowed", "host"),
    [
        ("_", ("*", ".example.com", "b.example"), "example.com"),
        ("*.example.org,www.example.net", ("a.example",), "example.org"),
        ("www.example.*", ("a\r\nb", "*"), "localhost"),
        ("_", (70_000 * "a", "b.example"), "b.example"),
    ],
)
def test_the_first_request_names_a_host_of_the_site(names: str, allowed: tuple[str, ...], host: str) -> None:
    made = plan({"NGINX_SERVER_NAME": names}, allowed_hosts=allowed)
    assert json.loads(text_of(made, "supervision.json"))["programs"]["uwsgi"]["first_request"]["host"] == host


# ---- a user's templates


def plan_with(**templates: str) -> Plan:
    own = {name.replace("__", ".").replace("nginx_app", "nginx-app"): text for name, text in templates.items()}
    settings = Settings(conf_dir=PurePosixPath("/own"))
    return make_plan(settings, Facts(machine(templates=own), application()))


def problem_with(text: str) -> str:
    with pytest.raises(Unusable) as caught:
        plan_with(nginx__conf__j2=text)
    (told,) = caught.value.problems
    return told


def test_a_users_template_replaces_ours_and_is_named() -> None:
    made = plan_with(nginx__conf__j2="worker_processes {{ worker_processes }}; # {{ '/a b' | nginx }}\n")
    assert text_of(made, "nginx.conf") == 'worker_processes 4; # "/a b"\n'
    assert {file.path.name: file.source for file in made.files} == {
        "supervisord.conf": "supervisord.conf.j2",
        "nginx.conf": "/own/nginx.conf.j2",
        "nginx-app.conf": "nginx-app.conf.j2",
        "uwsgi.ini": "uwsgi.ini.j2",
        "starting.html": "starting.html",
        "error.html": "error.html",
        "supervision.json": "the plan",
    }
    assert "use nginx.conf.j2 from /own" in map(str, made.steps)


def test_a_users_template_may_include_ours() -> None:
    ours = text_of(plan_with(), "uwsgi.ini")
    own = '{% include "uwsgi.ini.j2" %}\nbuffer-size = 65535\n'
    assert text_of(plan_with(uwsgi__ini__j2=own), "uwsgi.ini") == f"{ours}buffer-size = 65535\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a;\nb {{ x }};\n", "line 2: 'x' is undefined"),
        ("a;\n\nb {{ run_dir.nothing.more }};\n", "line 3: "),
        ("{% for %}\n", "line 1: Expected an expression, got 'end of statement block'"),
        ("{% if root %}\na;\n", "line 2: Unexpected end of template."),
        ("a {{ run_dir | ngnx }};", "line 1: No filter named 'ngnx'."),
        (
            "a;\na {{ '$x' | nginx }};",
            "line 2: cannot write $x into nginx.conf: nginx would expand its $",
        ),
        ("a {{ 1 // 0 }};", "line 1: integer division or modulo by zero"),
        ('{% include "none.j2" %}', "line 1: there is no template none.j2"),
        ('{% include "/own/nginx.conf.j2" %}', "line 1: maximum recursion depth exceeded"),
    ],
)
def test_a_template_that_cannot_be_rendered_is_reported_with_file_and_line(text: str, why: str) -> None:
    assert problem_with(text).startswith(f"cannot render /own/nginx.conf.j2, {why}")


def test_the_page_names_each_variable_and_no_other() -> None:
    passed = TemplateValues(decide(Settings(), Facts(machine(), application())), starting=False).by_name
    section = OWN_TEMPLATES.partition("## Variables")[2].partition("## Filters")[0]
    named = [name for row in re.findall(r"(?m)^\| (`.*?) \|", section) for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(passed)


def test_the_example_of_the_page_is_a_template() -> None:
    (example,) = re.findall(r"```jinja\n(.*?)```", OWN_TEMPLATES, re.DOTALL)
    assert text_of(plan_with(uwsgi__ini__j2=example), "uwsgi.ini").endswith("log-slow = 1000\n")


# ---- the address in the last line of a boot

_ACME = {"NGINX_TLS_DOMAIN": "a.example", "NGINX_TLS_EMAIL": "o@a.example", "ENTRYPOINT_DATA_DIR": "/data"}
_PAIR = {"tls_certificate": PurePosixPath("/tls.pem"), "tls_key": PurePosixPath("/tls.key")}


@pytest.mark.parametrize(("port", "who"), [(443, "PORT"), (80, "the redirect to TLS")])
def test_neither_port_of_a_site_with_tls_is_for_the_metrics(port: int, who: str) -> None:
    environ = {**{f"NGINX_{name.upper()}": str(path) for name, path in _PAIR.items()}, "ENTRYPOINT_METRICS_PORT": port}
    settings = Settings.read({name: str(text) for name, text in environ.items()})
    with pytest.raises(Unusable, match=f"ENTRYPOINT_METRICS_PORT={port}: {who} uses port {port}; choose"):
        decide(settings, Facts(machine(root=True), application()))


def address_of(*, container: bool = False, root: bool = False, **settings: Any) -> str:
    facts = Facts(machine(container=container, root=root), application())
    return of_site(decide(Settings(**settings), facts))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "http://127.0.0.1:8080/"),
        ({"root": True}, "http://127.0.0.1/"),
        ({"listen": Listen(9000)}, "http://127.0.0.1:9000/"),
        ({"listen": Listen(9000, "10.0.0.1")}, "http://10.0.0.1:9000/"),
        ({"listen": Listen(9000, "[::1]")}, "http://[::1]:9000/"),
        ({"listen": Listen(9000, "0.0.0.0")}, "http://127.0.0.1:9000/"),
        ({"server_names": ("*.example.com", "example.com")}, "http://example.com:8080/"),
        ({"server_names": ("_",)}, "http://127.0.0.1:8080/"),
        ({"root": True, **_PAIR}, "https://127.0.0.1/"),
        ({**_PAIR}, "https://127.0.0.1:8443/"),
        ({"nginx": "off"}, "http://127.0.0.1:8080/"),
        ({"container": True, "root": True}, "listening on port 80 of this container"),
        ({"container": True, "root": True, **_PAIR}, "listening on port 443 of this container, with TLS"),
        ({"container": True, "listen": Listen(8080, "127.0.0.1")}, "http://127.0.0.1:8080/"),
    ],
)
def test_a_boot_ends_with_an_address_that_works(settings: dict[str, Any], expected: str) -> None:
    assert address_of(**settings) == expected


# ---- protection


def test_security_headers_can_be_left_to_the_application() -> None:
    assert "X-Frame-Options" in text_of(plan({}), "nginx-app.conf")
    without = text_of(plan({"NGINX_SECURITY_HEADERS": "off"}), "nginx-app.conf")
    assert "X-Frame-Options" not in without
    assert "add_header Content-Security-Policy $media_policy always;" in without


def test_a_canonical_host_that_django_refuses_is_found() -> None:
    facts = Facts(machine(), application(allowed_hosts=("example.com",)))
    config = decide(Settings.read({"NGINX_CANONICAL_HOST": "www.example.com:8080"}), facts)
    told = "NGINX_CANONICAL_HOST names www.example.com, and ALLOWED_HOSTS does not: Django answers with 400"
    assert told in [finding.problem for finding in of_config(config, "")]


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        (
            {"NGINX_CLIENT_MAX_BODY_SIZE": "10m, /static/ 1g"},
            "cannot use NGINX_CLIENT_MAX_BODY_SIZE: nginx serves files at /static/, and accepts no body there",
        ),
        (
            {"NGINX_ERROR_PAGES": "404"},
            "cannot use NGINX_ERROR_PAGES: nginx serves no static files; set NGINX_STATIC_ROOT",
        ),
    ],
)
def test_a_protection_that_nginx_cannot_give_is_refused(environ: dict[str, str], problem: str) -> None:
    assert problems(environ, static_root="" if "NGINX_ERROR_PAGES" in environ else "/srv/static") == (problem,)


def test_a_folder_of_private_files_that_is_missing_is_a_warning() -> None:
    text = (
        "warning: NGINX_PRIVATE_ROOT=/srv/private is not a folder, so its files are answered with 404; "
        "mount or create it"
    )
    settings = Settings.read({"NGINX_PRIVATE_ROOT": "/srv/private"})
    for exists in (True, False):
        facts = Facts(machine(private_root=exists), application())
        assert (text in map(str, make_plan(settings, facts).steps)) is not exists


def test_a_lock_of_all_paths_is_one_of_all_below_the_prefix() -> None:
    settings = {"NGINX_PREFIX": "/shop", "NGINX_CACHE": "8m", "NGINX_CACHE_LOCK": "/, /elsewhere/"}
    text = text_of(plan(settings), "nginx-app.conf")
    assert text.count("uwsgi_cache_lock on;") == 1
    assert text.count("    location / {\n") == 1
    assert "/elsewhere/" not in text


def test_a_prefix_without_nginx_is_a_warning() -> None:
    assert warned({"NGINX_PREFIX": "/shop", "ENTRYPOINT_NGINX": "off"}) == [
        "warning: NGINX_PREFIX=/shop has no effect without nginx: set ENTRYPOINT_NGINX=on"
    ]


# ---- gixy, which finds dangerous configurations of nginx

EXPLAINED = {
    # try_files is used only in the two locations that show the progress of a boot.
    "try_files_is_evil_too": "",
    # The usual limit of the container suffices. Where it is lower, worker_rlimit_nofile is set.
    "worker_rlimit_nofile_vs_connections": "",
    # Without a default the value is empty, which the maps expect that use $from_proxy.
    "hash_without_default": "geo $from_proxy",
    # Files and nginx's own answers need no ID, and the health endpoints no HSTS; the other locations repeat them.
    "add_header_redefinition": "dropped in nested block",
    # nginx documents gzip for this context, and the block inherits the rest; tests/system sends requests with sessions.
    "if_is_evil": 'Directive "gzip"',
    # HSTS is sent only if it is asked for: browsers would refuse plain HTTP for months.
    "hsts_header": "Strict-Transport-Security",
    # The path is a part of $request_uri, as the client sent it: a map cuts NGINX_PREFIX off.
    "proxy_pass_normalized": "Found a path after the host",
    # A complete nginx.conf of the user is used as it is.
    "version_disclosure": "server_tokens",
}
"""What gixy finds, with a part of its reason, and why it is no mistake."""


def test_gixy_finds_nothing_that_is_not_explained(tmp_path: Path) -> None:
    names = defaultdict(list)
    for path in GOLDEN:
        plan = golden(path)[1]
        files = {file.path.name: file.text for file in plan.files if file.path.name.startswith("nginx")}
        run, folder = str(plan.exec.handover.parent), tmp_path / path.stem
        names[tuple(text.replace(run, "RUN") for text in files.values())].append(folder)
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text.replace(run, str(folder)))
    different = [str(folders[0] / "nginx.conf") for texts, folders in names.items() if texts]
    assert len(different) > 20
    done = subprocess.run(
        [Path(sys.executable).parent / "gixy", "--format", "json", *different],
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout)
    unexplained = [
        finding
        for finding in found
        if finding["plugin"] not in EXPLAINED or EXPLAINED[finding["plugin"]] not in finding["reason"]
    ]
    assert [(finding["plugin"], finding["reason"]) for finding in unexplained] == []
    assert {finding["plugin"] for finding in found} == EXPLAINED.keys()
    of_users = {finding["file"] for finding in found if finding["plugin"] == "version_disclosure"}
    assert of_users == {str(tmp_path / "an_nginx_conf_for_another_image" / "nginx.conf")}


@pytest.mark.parametrize(
    ("environ", "machine_facts", "problem"),
    [
        (
            _ACME,
            {"programs": {}},
            (
                "cannot obtain a certificate: lego is not installed; apt-get install lego in the image, "
                "or set NGINX_TLS_CERTIFICATE"
            ),
        ),
        (
            {"NGINX_TLS": "self-signed"},
            {"programs": {}},
            (
                "cannot create a certificate: openssl is not installed; apt-get install openssl in the image, "
                "or set NGINX_TLS_CERTIFICATE"
            ),
        ),
        (
            {**_ACME, "ENTRYPOINT_PROGRAM_CERTIFICATES": "sleep 1"},
            {},
            "cannot use program certificates: with NGINX_TLS_DOMAIN, entrypoint runs a program of this name; rename it",
        ),
        (
            _ACME,
            {
                "root": True,
                "account": {"uid": 1000, "gid": 1000, "groups": [], "name": None, "group": None, "home": "/"},
            },
            (
                "cannot use NGINX_TLS=acme: nginx runs as 1000:1000, which has no name and could not read the key; "
                "let ENTRYPOINT_USER name a user of /etc/passwd"
            ),
        ),
    ],
)
def test_a_machine_that_cannot_have_a_certificate_is_reported(
    environ: dict[str, str], machine_facts: dict[str, Any], problem: str
) -> None:
    with pytest.raises(Unusable) as caught:
        make_plan(Settings.read(environ), Facts(machine(**machine_facts), application()))
    assert problem in caught.value.problems


def test_hsts_without_tls_is_a_warning() -> None:
    text = "warning: NGINX_HSTS has no effect: nginx serves no TLS, and no proxy is trusted; set FORWARDED_ALLOW_IPS"
    assert text in map(str, plan({"NGINX_HSTS": "on"}).steps)
    assert text not in map(str, plan({"NGINX_HSTS": "on", "FORWARDED_ALLOW_IPS": "10.0.0.0/8"}).steps)


@pytest.mark.parametrize(("version", "there"), [((), False), ((1, 22, 1), False), ((1, 25, 1), True)])
def test_http_2_without_tls_is_spoken_where_http_1_is_too(version: tuple[int, ...], *, there: bool) -> None:
    made = make_plan(Settings(), Facts(machine(nginx_version=version), application()))
    assert ("http2 on;" in text_of(made, "nginx-app.conf")) == there
