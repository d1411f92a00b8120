"""deploy/compose.yaml, from a copy of the repository, with PostgreSQL and Redis of Debian."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from deadline import PATIENCE, until
from docker_engine import ROOT, docker
from leftovers import name_in_engine
from ports import free_port

pytestmark = [
    pytest.mark.container,
    pytest.mark.thorough,
    pytest.mark.skipif(
        os.geteuid() != 0, reason="only root can give files to another user, and kill containers' processes"
    ),
    pytest.mark.skipif(  # in CI a program that is missing is a failure
        not os.environ.get("CI") and not shutil.which("docker-compose"), reason="docker-compose is not installed"
    ),
]

OWNER = 4321
STANDINS = "entrypoint-tests-standins"
COPIED = ("deploy", "examples", "bin", "conf", "entrypoint")
FILES = ("Dockerfile.example", ".dockerignore", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md")


class Compose:
    """One project of Compose in a copy of the repository that belongs to another user."""

    def __init__(self, folder: Path, profile: str) -> None:
        self.folder = folder
        self.name = name_in_engine()
        self.port = free_port()
        self._profile = profile

    def __call__(self, *words: str) -> str:
        files = ("-f", str(self.folder / "deploy/compose.yaml"), "-f", str(ROOT / "tests/deploy/compose.yaml"))
        done = subprocess.run(
            ["docker-compose", "-p", self.name, *files, "--profile", self._profile, *words],
            env={
                **os.environ,
                "DOCKER_BUILDKIT": "0",
                "COMPOSE_DOCKER_CLI_BUILD": "0",
                "IMAGE": self.name,
                "PORT": f"127.0.0.1:{self.port}",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def get(self, path: str) -> requests.Response | None:
        """Return the answer if its status is 200."""
        try:
            answer = requests.get(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE)
        except requests.ConnectionError:
            return None
        return answer if answer.status_code == 200 else None

    def kill(self, service: str) -> None:
        """Kill process 1 of the service's first container; return once the engine has started it again."""
        container = self("ps", "-q", service).split()[0]
        os.kill(int(docker("inspect", "-f", "{{.State.Pid}}", container).stdout), signal.SIGKILL)
        state = ("inspect", "-f", "{{.RestartCount}} {{.State.Running}}", container)
        until(lambda: docker(*state).stdout.split() == ["1", "true"], f"{service} to be started again")

    def remove(self) -> None:
        self("down", "-v", "--remove-orphans")
        for image in (self.name, f"{self.name}-dev"):
            docker("rmi", "-f", image, check=False)


@pytest.fixture
def copy(place: Path) -> Path:
    """A copy of the repository, as another user has it."""
    ignored = shutil.ignore_patterns(
        "__pycache__", "db.sqlite3*", "static_root", "media", "*.dump", "secret_key", "postgres_password"
    )
    for name in COPIED:
        shutil.copytree(ROOT / name, place / name, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, place / name)
    for path in (place, *place.rglob("*")):
        os.chown(path, OWNER, OWNER)
    docker("build", "--network=host", "-t", STANDINS, str(ROOT / "tests/deploy/standins"))
    return place


@pytest.fixture
def development(copy: Path) -> Iterator[Compose]:
    compose = Compose(copy, "dev")
    yield compose
    compose.remove()


@pytest.fixture
def production(copy: Path) -> Iterator[Compose]:
    for name in ("secret_key", "postgres_password"):
        (copy / "deploy/secrets" / name).write_text("of-the-tests-alone-and-no-one-else\n")
    compose = Compose(copy, "prod")
    yield compose
    compose.remove()


def test_development_serves_what_is_saved_and_writes_as_its_owner(development: Compose) -> None:
    development("up", "--build", "--detach")
    until(lambda: development.get("/upload/"), "the site")
    views = development.folder / "examples/django/pages/views.py"
    views.write_text(views.read_text().replace('"pid": os.getpid()', '"edited": True'))
    until(lambda: '"edited": true' in getattr(development.get("/request/"), "text", ""), "what was saved")
    development("exec", "-T", "dev", "entrypoint", "manage.py", "makemigrations", "--empty", "pages", "--name", "mine")
    assert (development.folder / "examples/django/pages/migrations/0002_mine.py").stat().st_uid == OWNER


def test_production_heals_and_is_backed_up(production: Compose) -> None:
    production("up", "--build", "--detach", "--scale", "web=2")
    until(lambda: production.get("/upload/"), "the site")
    assert len(production("ps", "-q", "web").split()) == 2
    production.kill("db")
    until(lambda: production.get("/upload/"), "the site, after the database has died")
    production.kill("web")
    assert production.get("/upload/")
    production("exec", "-T", "worker", "entrypoint", "celery", "-A", "config.celery", "call", "clear_sessions")
    until(lambda: "succeeded" in production("logs", "worker"), "the task")
    production("run", "--rm", "backup")
    (dump,) = (production.folder / "deploy/backups").glob("*.dump")
    assert dump.read_bytes().startswith(b"PGDMP")
