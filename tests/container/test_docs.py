"""What README.md and the how-tos print is run as it is printed, on a project that `django-admin startproject` makes.

Names that a reader chooses get values of the tests: my-site, entrypoint-base, CONTAINER, the port and the volume. A
`docker run` that shows settings alone is run with --dry-run.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import requests
from deadline import PATIENCE, until
from docker_engine import ROOT, Container, Engine, docker, log_in
from leftovers import name_in_engine
from postgres_server import Postgres
from printed import README, Block, blocks

BASE = "docker build -f Dockerfile.example --target base -t entrypoint-base ."
BUILD = "docker build -t my-site ."
DEVELOPMENT = ROOT / "docs/how-to/development.md"
HOOKS = ROOT / "docs/how-to/hooks.md"


def only(page: Path, language: str) -> Block:
    """Return the one block of a language in a page."""
    (block,) = blocks(language, page=page)
    return block


def command(page: Path, *parts: str) -> str:
    """Return the one command of a page that contains these parts."""
    (found,) = (
        line for block in blocks("console", page=page) for line in block.commands if all(p in line for p in parts)
    )
    return found


def with_base(text: str, base: str) -> str:
    """Return a Dockerfile, or lines of one, on the base image of the tests."""
    return f"FROM {base}\n" + text.removeprefix("FROM entrypoint-base\n")


@pytest.fixture(scope="module")
def volume() -> Iterator[str]:
    name = name_in_engine()
    yield name
    docker("volume", "rm", "-f", name, check=False)


@pytest.fixture(scope="module")
def shared(volume: str) -> Iterator[Engine]:  # noqa: ARG001 -- the volume outlives the container
    """Containers and images of this module, removed after it."""
    with Engine() as engine:
        yield engine


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, base: str) -> Path:
    """What the README has its readers make: startproject, the settings and the Dockerfile as printed."""
    folder = tmp_path_factory.mktemp("project")
    subprocess.run([sys.executable, "-m", "django", "startproject", "mysite", "."], cwd=folder, check=True)
    with (folder / "mysite/settings.py").open("a") as settings:
        settings.write("\n" + only(README, "python").text)
    (folder / "Dockerfile").write_text(with_base(only(README, "dockerfile").text, base))
    return folder


@pytest.fixture(scope="module")
def my_site(shared: Engine, project: Path) -> str:
    """The README's image."""
    assert command(README, "-t my-site") == BUILD
    return shared.build(project)


def run(engine: Engine, image: str, printed: str, settings: Mapping[str, str], *options: str) -> Container:
    """Carry out a printed `docker run`, with a port of the tests, and more settings and options."""
    words = shlex.split(printed)
    assert words[:2] == ["docker", "run"]
    assert words[-1] == "my-site"
    own = words[2:-1]
    del own[own.index("-p") : own.index("-p") + 2]
    return engine.run(image, settings, options=(*own, *options))


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The hooks that their page prints for after the migrations, as options of `docker run`."""
    folder = tmp_path_factory.mktemp("hooks")
    options: list[str] = []
    for block in blocks("sh", "python", page=HOOKS):
        if found := re.search(r"^# (post-migrate\.d/\S+)$", block.text, re.MULTILINE):
            (path := folder / Path(found[1]).name).write_text(block.text)
            options += ["-v", f"{path}:/docker-entrypoint.d/{found[1]}:ro"]
    return tuple(options)


@pytest.fixture(scope="module")
def site(shared: Engine, my_site: str, volume: str, hooks: tuple[str, ...]) -> Container:
    """The README's container with SQLite, which is ready, and a worker for the other pages."""
    printed = command(README, "docker run", "SUPERUSER_PASSWORD").replace("my-site:/data", f"{volume}:/data")
    return run(shared, my_site, printed, {"ENTRYPOINT_PROGRAM_WORKER": "sleep infinity"}, *hooks).ready()


# ---- the README's path


def test_the_readmes_base_image_is_what_the_tests_build_on() -> None:
    assert command(README, "--target base") == BASE


def test_the_readmes_site_with_sqlite_lets_its_superuser_log_in(site: Container) -> None:
    assert "Site administration" in log_in(site)
    assert site.status("/static/admin/css/base.css") == 200
    assert site.exec("entrypoint", "health").returncode == 0
    # the volume holds what must outlive the container
    assert {"db.sqlite3", "secret_key"} <= set(site.exec("ls", "/data").stdout.split())


@pytest.mark.thorough
def test_the_readmes_site_with_postgresql(engine: Engine, my_site: str) -> None:
    network, gateway = engine.network()
    with Postgres(gateway) as postgres:
        printed = command(README, "docker run", "DATABASE_URL").replace("-v my-site:/data", "-v /data")
        printed = printed.replace("postgres://user:password@db/site", postgres.url)
        container = run(engine, my_site, printed, {}, "--network", network)
        until(lambda: "wait for database" in container.logs, "the wait")
        postgres.start()
        assert container.ready().status("/admin/login/") == 200
        assert "postgresql" in container.logs
        docker("rm", "-f", "-v", container.name)  # before its database


# ---- development with a mounted source


@pytest.mark.thorough  # tests/system/test_servers.py shows it without a container
def test_a_mounted_source_is_served_again_when_it_changes(
    engine: Engine, my_site: str, project: Path, tmp_path: Path
) -> None:
    subprocess.run(["cp", "-r", f"{project}/.", tmp_path], check=True)
    printed = command(DEVELOPMENT, "ENTRYPOINT_DATA_DIR= ").replace('"$PWD"', str(tmp_path))
    owner = os.geteuid() or 12345
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", f"{owner}:{owner}", tmp_path], check=True)
    container = run(engine, my_site, printed, {})
    try:
        until(lambda: container.status("/") == 200, "runserver")
        urls = tmp_path / "mysite/urls.py"
        urls.write_text(
            "from django.http import HttpResponse\nfrom django.urls import path\n"
            "urlpatterns = [path('', lambda request: HttpResponse('changed'))]\n"
        )

        def text() -> str:
            os.utime(urls)  # runserver may have begun to watch only after the change
            try:
                return requests.get(container.url, timeout=PATIENCE).text
            except requests.ConnectionError:
                return ""

        until(lambda: text() == "changed", "the reload")
        assert (tmp_path / "db.sqlite3").stat().st_uid == owner
    finally:
        docker("rm", "-f", "-v", container.name)  # before the folder is removed


# ---- what else the pages print


@pytest.mark.thorough
@pytest.mark.parametrize("block", [b for b in blocks("dockerfile") if b.page != README], ids=str)
def test_the_dockerfile_builds(engine: Engine, base: str, project: Path, block: Block) -> None:
    for folder, name in re.findall(r"^COPY (\w+)/?([\w.-]*)", block.text, re.MULTILINE):
        if folder in ("hooks", "templates"):
            (project / folder).mkdir(exist_ok=True)
            (project / folder / (name or "uwsgi.ini.j2")).touch()
    file = project / f"Dockerfile.{block.page.stem}"
    file.write_text(with_base(block.text, base))
    engine.build(project, "--network=host", "-f", str(file))


@pytest.fixture(scope="module")
def names(my_site: str, base: str, site: Container) -> dict[str, str]:
    """What the tests have under the names that the pages print."""
    return {"my-site": my_site, "entrypoint-base": base, "CONTAINER": site.name}


def shown(printed: str, names: Mapping[str, str], secrets: Path) -> str:
    """Return a printed command with the names of the tests."""
    ours = f"docker run --rm -v {secrets}:/run/secrets:ro "
    line = re.sub(r"docker run (?:--rm )?(?:-it )?(?:-p \S+ )?", ours, printed)
    line = re.sub(r"-v [\w-]+:/data", "-v /data", line).replace("docker exec -it", "docker exec")
    line = re.sub(r"\bmy-site$", "my-site --dry-run", line)
    return re.sub("|".join(names), lambda found: names[found[0]], line)


COMMANDS = [
    pytest.param(line, id=f"{block}-{number}")
    for block in blocks("console")
    if block.page != README
    for number, line in enumerate(block.commands)
    if not line.startswith(("make ", "docker build"))
]


@pytest.mark.thorough  # the commands of README run without this marker
@pytest.mark.parametrize("printed", COMMANDS)
def test_the_command_works(printed: str, names: Mapping[str, str], project: Path, tmp_path: Path) -> None:
    folder, secrets = tmp_path / "project", tmp_path / "secrets"
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns("Dockerfile*"))
    folder.chmod(0o755)  # the application's user must enter it
    secrets.mkdir()
    for name in ("ada", "key", "status"):
        (secrets / name).write_text("correct-horse-battery-staple\n")
    line = shown(printed, names, secrets)
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{line}\n{done.stderr or done.stdout}"


def test_the_hooks_of_the_page_have_run(site: Container, hooks: tuple[str, ...]) -> None:
    ran = re.search(r"run post-migrate hooks (.+)", site.logs)
    assert ran, site.logs
    names = sorted(re.findall(r"post-migrate\.d/([^:\s]+):ro", " ".join(hooks)))
    assert ran[1].replace(" as www-data", "").split(", ") == names
    assert [name for name in names if f"{name} as www-data" in ran[1]] == [n for n in names if n.endswith(".py")]
