"""`entrypoint init`: what it finds in a project, what it writes, and what it refuses."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import kubernetes_validate
import pytest
import yaml

from entrypoint.errors import Unusable
from entrypoint.scaffold.files import files
from entrypoint.scaffold.project import Project, look_at
from entrypoint.scaffold.settings import Variable
from entrypoint.scaffold.translation import report

if TYPE_CHECKING:
    from conftest import Command

SETTINGS = """\
import os
from pathlib import Path
import dj_database_url
BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "").split(",")
DATABASES = {"default": dj_database_url.config(default=os.environ.get("DATABASE_URL"))}
STATIC_ROOT = BASE_DIR / "static_root"
MEDIA_ROOT = os.path.join(BASE_DIR, "media")
"""
SQLITE = (
    """DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "data" / "x.sqlite3"}}\n"""
)
CELERY = """\
import os
from celery import Celery
app = Celery("mall", broker=os.environ.get("REDIS_URL"))
"""
API = "from fastapi import FastAPI\n\napi: FastAPI = FastAPI(title='x')\n"
FLASK = """\
from flask import Flask
def create_app(config=None):
    return Flask(__name__)
"""


def made(folder: Path, texts: dict[str, str]) -> Path:
    """Write files into the folder."""
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def test_a_django_project_with_uv_and_postgres(tmp_path: Path) -> None:
    pyproject = (
        '[project]\nname = "My Shop"\nrequires-python = ">=3.12"\ndependencies = ["Django>=5", "psycopg[binary]"]\n'
    )
    folder = made(
        tmp_path, {"src/manage.py": "", "src/shop/settings.py": SETTINGS, "pyproject.toml": pyproject, "uv.lock": ""}
    )
    found = look_at(folder)
    assert found == Project(
        name="my-shop",
        django=True,
        app_dir="src",
        manager="uv",
        requirements="uv.lock",
        packages=frozenset({"django", "psycopg"}),
        python=">=3.12",
        database="postgres",
        variables=(
            Variable("SECRET_KEY", required=True),
            Variable("ALLOWED_HOSTS", required=False),
            Variable("DATABASE_URL", required=False),
        ),
        names_static_root=True,
        static_root="src/static_root",
        media_root="src/media",
    )
    wanted = files(found, kubernetes=False)
    assert "uv export --quiet --frozen" in wanted["Dockerfile"]
    assert "WORKDIR /srv/project/src\n" in wanted["Dockerfile"]
    assert "RUN install -d -o www-data -g root -m 775 /srv/project/src/static_root " in wanted["Dockerfile"]
    compose = yaml.safe_load(wanted["compose.yaml"])
    assert compose["services"]["web"]["environment"] == {
        "DATABASE_URL": "postgres://site:${POSTGRES_PASSWORD}@db:5432/site"
    }
    assert compose["volumes"] == {"db": None, "media": None}
    assert "\nPOSTGRES_PASSWORD=change-me\n" in wanted[".env.example"]
    assert "DATABASE_URL" not in wanted[".env.example"]


def test_a_settings_module_that_reads_each_part_of_the_database(tmp_path: Path) -> None:
    settings = (
        'import os\nenv = os.environ.get\nDB = os.environ.get("DJANGO_DB_HOST"), os.getenv("POSTGRES_PASSWORD")\n'
    )
    settings += 'SQL = env("SQL_ENGINE"), os.environ.get("SQL_DATABASE")\nREDIS = os.getenv("REDIS_HOST", "here")\n'
    packages = "psycopg2-binary\nredis\n"
    folder = made(tmp_path, {"manage.py": "", "site/settings.py": settings, "requirements.txt": packages})
    compose = yaml.safe_load(files(look_at(folder), kubernetes=False)["compose.yaml"])
    assert compose["services"]["web"]["environment"] == {
        "DJANGO_DB_HOST": "db",
        "POSTGRES_PASSWORD": "${POSTGRES_PASSWORD}",
        "SQL_ENGINE": "django.db.backends.postgresql",
        "SQL_DATABASE": "site",
        "REDIS_HOST": "redis",
    }


def test_an_example_sets_no_variable_that_has_a_default_to_nothing(tmp_path: Path) -> None:
    settings = 'A = os.getenv("APP_ENV", "dev")\nB = os.environ["MUST"]\nC = os.environ.get("DJANGO_ALLOWED_HOSTS")\n'
    example = files(look_at(made(tmp_path, {"manage.py": "", "settings.py": settings})), kubernetes=False)[
        ".env.example"
    ]
    lines = [line for line in example.splitlines() if "=" in line and "SUPERUSER" not in line]
    assert lines == ["# APP_ENV=", "MUST=", "DJANGO_ALLOWED_HOSTS=localhost"]


@pytest.mark.parametrize(
    ("value", "folder"),
    [
        ('BASE_DIR / "data" / "static"', "back/data/static"),
        ('str(BASE_DIR / "static")', "back/static"),
        ('os_path.join(BASE_DIR, "static")', "back/static"),
        ('os.path.join(BASE_DIR, "..", "static/")', "static"),
        ('"static"', "back/static"),
        ('os.path.join(BASE_DIR, "..", "..", "static")', ""),
        ('"/var/www/static"', ""),
        ('os.environ.get("STATIC_ROOT")', ""),
    ],
)
def test_the_folder_of_static_files(tmp_path: Path, value: str, folder: str) -> None:
    settings = f'STATIC_ROOT = {value}\nMEDIA_ROOT = BASE_DIR / "media"\n'
    found = look_at(made(tmp_path, {"back/manage.py": "", "back/site/settings/base.py": settings}))
    assert (found.static_root, found.media_root) == (folder, "back/media")
    dockerfile = files(found, kubernetes=False)["Dockerfile"]
    assert dockerfile.endswith("RUN entrypoint prepare --only collectstatic\n")


@pytest.mark.parametrize(
    ("texts", "copied"),
    [
        ({"requirements.txt": "celery\n"}, "back/requirements.txt /requirements/"),
        (
            {"requirements/prod.txt": "-r base.txt\n", "requirements/base.txt": "celery\n"},
            "back/requirements /requirements",
        ),
        (
            {"pyproject.toml": '[project]\ndependencies = ["celery"]\n', "uv.lock": ""},
            "back/pyproject.toml back/uv.lock ./",
        ),
        ({"pyproject.toml": '[project]\ndependencies = ["celery"]\n'}, "back/pyproject.toml ./"),
    ],
)
def test_requirements_beside_a_manage_py_in_a_folder(tmp_path: Path, texts: dict[str, str], copied: str) -> None:
    texts = {f"back/{name}": text for name, text in texts.items()}
    tools = {"pyproject.toml": "[project]\nname = 'tools'\n"}
    found = look_at(made(tmp_path, {"back/manage.py": "", **tools, **texts}))
    assert found.packages == {"celery"}
    assert f"\nCOPY {copied}\n" in files(found, kubernetes=False)["Dockerfile"]


def test_a_folder_for_two_purposes_is_made_once(tmp_path: Path) -> None:
    settings = SQLITE + 'MEDIA_ROOT = BASE_DIR / "data"\n'
    dockerfile = files(look_at(made(tmp_path, {"manage.py": "", "settings.py": settings})), kubernetes=False)[
        "Dockerfile"
    ]
    assert dockerfile.count("/srv/project/data") == 1


def test_a_flask_factory(tmp_path: Path) -> None:
    found = look_at(made(tmp_path, {"notes/__init__.py": FLASK, "requirements.txt": "flask\n"}))
    assert (found.app, found.server) == ("notes:create_app()", "uwsgi")
    assert "ENV ENTRYPOINT_APP=notes:create_app()\n" in files(found, kubernetes=False)["Dockerfile"]


def test_a_fastapi_application_gets_an_asgi_server(tmp_path: Path) -> None:
    found = look_at(made(tmp_path, {"main.py": API}))
    assert (found.app, found.server, found.asgi) == ("main:api", "uvicorn", "FastAPI is an ASGI framework")


def test_celery_and_beat_are_programs_of_their_own(tmp_path: Path) -> None:
    folder = made(
        tmp_path,
        {
            "back/manage.py": "",
            "back/mall/settings.py": SQLITE,
            "back/mall/celery.py": CELERY,
            "requirements.txt": "-r base.txt\ncelery\n",
            "base.txt": "Django\ndjango-celery-beat\n",
        },
    )
    found = look_at(folder)
    assert found.sqlite == "back/data/x.sqlite3"
    assert found.programs == (
        ("worker", "celery -A mall worker --loglevel INFO"),
        ("beat", "celery -A mall beat --schedule /tmp/celerybeat-schedule --loglevel INFO"),
    )
    assert files(found, kubernetes=False)["Dockerfile"].count("# One image, several roles") == 1
    services = yaml.safe_load(files(found, kubernetes=False)["compose.yaml"])["services"]
    assert set(services) == {"web", "worker", "beat", "redis"}
    assert services["worker"]["environment"]["REDIS_URL"] == "redis://redis:6379/0"
    assert services["worker"]["environment"]["ENTRYPOINT_MIGRATE"] == "wait"


NAME = 'DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": {}}}}}\n'
URL = 'DATABASES = {{"default": dj_database_url.config(default={})}}\nos.environ.get("DATABASE_URL")\n'
NO_DATA = "# Put the folder of SQLite's file on a volume, or the data is lost with the container."


@pytest.mark.parametrize(
    ("settings", "file", "link"),
    [
        (NAME.format('BASE_DIR / "db.sqlite3"'), "/data/db.sqlite3", "db.sqlite3"),
        (NAME.format('os.path.join(BASE_DIR, "shop", "x.db")'), "/data/x.db", "shop/x.db"),
        (NAME.format('str(BASE_DIR / "data" / "x.db")'), "/srv/project/data/x.db", ""),
        (NAME.format('"/var/lib/shop/x.db"'), "/var/lib/shop/x.db", ""),
        (NAME.format('os.path.join(os.environ.get("ENTRYPOINT_DATA_DIR"), "x.db")'), "/data/db.sqlite3", ""),
        (NAME.format('STATE / "x.db"'), "", ""),
        ('AUTH_PASSWORD_VALIDATORS = [{"NAME": "django.contrib.auth.x"}]\n', "", ""),
        (URL.format('"sqlite:///x.db", conn_max_age=60'), "/data/x.db", "x.db"),
        (URL.format('f"sqlite:///{BASE_DIR}/x.db"'), "/data/x.db", "x.db"),
        (URL.format("f\"sqlite:///{BASE_DIR / 'data' / 'x.db'}\""), "/srv/project/data/x.db", ""),
        (URL.format('"sqlite:////mnt/x.db"'), "/mnt/x.db", ""),
        (URL.format("None"), "/data/db.sqlite3", ""),
    ],
)
def test_sqlites_file_is_on_a_volume(tmp_path: Path, settings: str, file: str, link: str) -> None:
    folder = made(tmp_path, {"manage.py": "", "shop/settings.py": settings, "Procfile": "worker: python work.py\n"})
    wanted = files(look_at(folder), kubernetes=False)
    place = file.rpartition("/")[0]
    compose = yaml.safe_load(wanted["compose.yaml"])
    for service in compose["services"].values():  # the worker needs the same data
        assert service.get("volumes", []) == ([f"data:{place}"] if file else [])
    assert (NO_DATA in wanted["compose.yaml"]) == (not file)
    lines = wanted["Dockerfile"].splitlines()
    assert (f"RUN install -d -o www-data -g root -m 775 {place}" in lines) == bool(file)
    assert (f"RUN ln -s {file} /srv/project/{link}" in lines) == bool(link)
    assert ("ENV ENTRYPOINT_DATA_DIR=/data" in lines) == (place == "/data")
    assert (f"DATABASE_URL=sqlite:///{file}" in wanted[".env.example"].splitlines()) == ("DATABASE_URL" in settings)
    assert "ENTRYPOINT_DATA_DIR=" not in wanted[".env.example"]


def test_no_volume_hides_the_code_of_a_project_below_another_folder(tmp_path: Path) -> None:
    folder = made(tmp_path, {"src/manage.py": "", "src/shop/settings.py": NAME.format('BASE_DIR / "db.sqlite3"')})
    wanted = files(look_at(folder), kubernetes=False)
    assert yaml.safe_load(wanted["compose.yaml"])["services"]["web"]["volumes"] == ["data:/data"]
    assert "RUN ln -s /data/db.sqlite3 /srv/project/src/db.sqlite3\n" in wanted["Dockerfile"]


def test_another_database_gets_no_volume_for_sqlite(tmp_path: Path) -> None:
    settings = URL.format('f"sqlite:///{BASE_DIR}/x.db"')
    folder = made(tmp_path, {"manage.py": "", "shop/settings.py": settings, "requirements.txt": "psycopg\n"})
    wanted = files(look_at(folder), kubernetes=False)
    assert list(yaml.safe_load(wanted["compose.yaml"])["volumes"]) == ["db"]
    assert not {"/data", "ln"} & set(wanted["Dockerfile"].split())


def test_the_procfile_is_honoured(tmp_path: Path) -> None:
    procfile = "web: gunicorn site.wsgi --bind 0.0.0.0:$PORT\nworker: celery -A site worker\n"
    texts = {"manage.py": "", "Procfile": procfile, "site/celery.py": CELERY, "requirements.txt": "celery\n"}
    found = look_at(made(tmp_path, texts))
    assert found.programs == ()
    assert "in place of uwsgi: gunicorn site.wsgi" in files(found, kubernetes=False)["Dockerfile"]


def test_the_manifests_are_valid(tmp_path: Path) -> None:
    folder = made(tmp_path, {"manage.py": "", "mall/celery.py": CELERY, "requirements.txt": "celery\npsycopg\n"})
    wanted = files(look_at(folder), kubernetes=True)
    kinds = []
    for name, text in wanted.items():
        if name.startswith("kubernetes/") and not name.endswith("kustomization.yaml"):
            for manifest in yaml.safe_load_all(text):
                kubernetes_validate.validate(manifest, "1.31", strict=True)
                kinds.append(manifest["kind"])
    assert sorted(kinds) == ["Deployment", "Deployment", "Ingress", "PodDisruptionBudget", "Service"]
    assert yaml.safe_load(wanted["kubernetes/kustomization.yaml"])["resources"] == ["web.yaml", "worker.yaml"]


def test_the_example_project_is_known() -> None:
    found = look_at(Path(__file__).parents[2] / "examples" / "django")
    assert (found.django, found.app_dir, found.manager) == (True, ".", "pip")


# ---- the command


@pytest.fixture
def site(place: Path) -> Path:
    folder = made(place / "site", {"manage.py": "", "site/settings.py": SETTINGS, "requirements.txt": "Django\n"})
    folder.chmod(0o777)
    return folder


def test_init_writes_its_files_once(entrypoint: Command, site: Path) -> None:
    done = entrypoint.run(site, "init")
    names = ["Dockerfile", ".dockerignore", "compose.yaml", ".env.example"]
    assert (done.code, done.err) == (0, "".join(f"[entrypoint] wrote {name}\n" for name in names))
    assert entrypoint.run(site, "init", "--check").code == 0
    assert entrypoint.run(site, "init").err == ""
    (site / "Dockerfile").write_text("FROM own\n")
    check = entrypoint.run(site, "init", "--check")
    assert check.code == 1
    assert "-FROM own\n" in check.out
    refused = entrypoint.run(site, "init")
    assert (refused.code, refused.err) == (
        78,
        "[entrypoint] cannot write Dockerfile: it exists and differs; --check shows how, --force replaces it\n",
    )
    assert entrypoint.run(site, "init", "--force").err == "[entrypoint] wrote Dockerfile\n"


def test_init_writes_all_files_or_none(entrypoint: Command, site: Path) -> None:
    (site / "compose.yaml").write_text("services: {}\n")
    assert entrypoint.run(site, "init").code == 78
    assert not (site / "Dockerfile").exists()


def test_init_follows_no_link(entrypoint: Command, site: Path) -> None:
    victim = site.parent / "victim"
    victim.mkdir()
    (victim / "file").write_text("text\n")
    (site / ".Dockerfile.new").symlink_to(victim / "file")
    (site / "kubernetes").symlink_to(victim)
    done = entrypoint.run(site, "init", "--kubernetes")
    assert (done.code, "kubernetes is a symbolic link" in done.err) == (78, True)
    assert entrypoint.run(site, "init").code == 0
    assert [path.name for path in victim.iterdir()] == ["file"]
    assert (victim / "file").read_text() == "text\n"


def test_a_folder_without_a_project(entrypoint: Command, place: Path) -> None:
    done = entrypoint.run(place, "init")
    assert done.code == 78
    assert done.err.startswith(f"[entrypoint] cannot find an application in {place}: there is no manage.py, ")
    assert done.err.endswith("; run the command in the project's folder\n")


def test_a_folder_that_cannot_be_written(entrypoint: Command, site: Path, ordinary_user: int | None) -> None:
    site.chmod(0o555)
    done = entrypoint.as_user(ordinary_user).run(site, "init")
    assert (done.code, done.err) == (77, f"[entrypoint] cannot write {site}/.Dockerfile.new: Permission denied\n")
    assert sorted(path.name for path in site.iterdir()) == ["manage.py", "requirements.txt", "site"]


@pytest.mark.parametrize("mode", [0o000, 0o444])
def test_a_folder_in_it_that_cannot_be_read(
    entrypoint: Command, site: Path, ordinary_user: int | None, mode: int
) -> None:
    (site / "data").mkdir()
    (site / "data/more.py").touch()
    (site / "data").chmod(mode)
    done = entrypoint.as_user(ordinary_user).run(site, "init")
    assert (done.code, done.err) == (77, f"[entrypoint] cannot read {site}/data: Permission denied\n")


def test_a_broken_pyproject(entrypoint: Command, site: Path) -> None:
    (site / "pyproject.toml").write_text("[project\n")
    done = entrypoint.run(site, "init")
    assert done.code == 78
    assert done.err.startswith(f"[entrypoint] cannot read {site}/pyproject.toml: ")
    assert done.err.count("\n") == 1


# ---- --from


def becomes(folder: Path, source: str) -> dict[str, str]:
    """Return what each old line becomes."""
    lines = [each.split("\n    -> ") for each in report(folder, source)]
    return {old.partition(": ")[2]: new for old, new in lines}


def test_tiangolos_variables(tmp_path: Path) -> None:
    dockerfile = "FROM tiangolo/uwsgi-nginx:python3.11\nENV LISTEN_PORT 8080\nENV NGINX_MAX_UPLOAD=1m\nENV OWN=1\n"
    found = becomes(made(tmp_path, {"Dockerfile": dockerfile, "prestart.sh": "true\n"}), "tiangolo")
    assert found["ENV LISTEN_PORT 8080"] == "the same; or PORT=8080"
    assert found["ENV NGINX_MAX_UPLOAD=1m"].startswith("the same; or NGINX_CLIENT_MAX_BODY_SIZE=1m")
    assert found["ENV OWN=1"] == "the same: the application reads it"
    assert found["(the file)"] == "the same: it is sourced before the programs start"


def test_supervisors_programs(tmp_path: Path) -> None:
    conf = (
        "[supervisord]\nnodaemon=true\n[program:nginx]\ncommand=nginx -g 'daemon off;'\n"
        '[program:mail]\ncommand=python mail.py\nautorestart=unexpected\nstopwaitsecs=20\nenvironment=A="1",B=2\n'
        "stdout_logfile=/dev/stdout\n"
    )
    found = becomes(made(tmp_path, {"supervisord.conf": conf}), "supervisor")
    assert found["[program:nginx]"] == "delete it: entrypoint configures and runs nginx"
    assert found["command = python mail.py"] == 'command = "python mail.py"'
    assert found["autorestart = unexpected"] == 'restart = "on-failure"'
    assert found["stopwaitsecs = 20"] == 'stop_timeout = "20s"'
    assert tomllib.loads(found['environment = A="1",B=2']) == {"environment": {"A": "1", "B": "2"}}


def test_a_procfiles_lines(tmp_path: Path) -> None:
    found = becomes(made(tmp_path, {"Procfile": "web: gunicorn a:b\nworker: celery\n"}), "procfile")
    assert "ENTRYPOINT_SERVER=gunicorn" in found["web: gunicorn a:b"]
    assert "ENTRYPOINT_PROGRAMS=worker" in found["worker: celery"]


def test_gunicorns_options(tmp_path: Path) -> None:
    dockerfile = (
        'FROM python\nCMD ["gunicorn", "--log-file", "-", "site.wsgi:application", "-w", "4", '
        '"--bind=0.0.0.0:8000", "-t", "30"]\n'
    )
    found = becomes(made(tmp_path, {"Dockerfile": dockerfile, "gunicorn.conf.py": "max_requests = 100\n"}), "gunicorn")
    assert found["--log-file -"] == "the same, in gunicorn.conf.py, with ENTRYPOINT_SERVER=gunicorn"
    assert found["-w 4"] == "WEB_CONCURRENCY=4"
    assert found["--bind 0.0.0.0:8000"] == "PORT=8000"
    assert found["-t 30"] == "ENTRYPOINT_REQUEST_TIMEOUT=30s"
    assert found["site.wsgi:application"].startswith("ENTRYPOINT_APP=site.wsgi:application")


@pytest.mark.parametrize("source", ["tiangolo", "supervisor", "procfile", "gunicorn"])
def test_a_configuration_that_does_not_exist(tmp_path: Path, source: str) -> None:
    with pytest.raises(Unusable, match=f"cannot report on {source}: there is no "):
        list(report(tmp_path, source))


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ({"Procfile": "web: x\n../../escaped: x\n"}, "Procfile, line 2: it is not of the form name: command"),
        (
            {"requirements.txt": "-r a.txt\n", "a.txt": "-r ./requirements.txt\n"},
            "requirements.txt: it includes itself",
        ),
        ({"pyproject.toml": f"a = {'[' * 10_000}\n"}, "pyproject.toml: it is nested too deeply"),
    ],
)
def test_files_that_cannot_be_used_are_named(tmp_path: Path, texts: dict[str, str], why: str) -> None:
    with pytest.raises(Unusable, match=f"{re.escape(why)}$"):
        look_at(made(tmp_path, {"app.py": FLASK, **texts}))


@pytest.mark.parametrize(
    "toml", ["project = 5", "tool = 5", "tool.poetry = 5", "project.dependencies = [5]", "project.dependencies = 5"]
)
def test_a_pyproject_toml_of_another_form_says_nothing(tmp_path: Path, toml: str) -> None:
    found = look_at(made(tmp_path, {"app.py": FLASK, "pyproject.toml": toml}))
    assert (found.app, found.packages, found.python) == ("app:create_app()", frozenset(), "")


def test_no_name_begins_a_line_of_the_dockerfile(tmp_path: Path) -> None:
    toml = '[project]\nrequires-python = ">=3.11\\nRUN a"\n'
    texts = {
        "app.py": FLASK,
        "pyproject.toml": toml,
        "a\nRUN b/app.py": FLASK,
        "a\nRUN c.py": FLASK,
        "Procfile": "web: x\x85RUN d",
    }
    text = files(look_at(made(tmp_path, texts)), kubernetes=True)["Dockerfile"]
    assert [line for line in text.splitlines() if line.startswith("RUN")] == []
