"""docker/Dockerfile: what its build arguments choose, and an image of a project that inherits from it."""

import json
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import requests
from deadline import PATIENCE, until
from docker_engine import BOOT, ROOT, Engine, docker, output_of

pytestmark = (
    pytest.mark.thorough
)  # tests/unit/test_docker_files.py compares it with the Dockerfile that all others build

SETTINGS = """
from django.http import HttpResponse
from django.urls import path
SECRET_KEY = "of-the-tests-alone-and-no-one-else-at-all-as-it-is-long"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "tiny"
ASGI_APPLICATION = "asgi.application"
WSGI_APPLICATION = "wsgi.application"
urlpatterns = [path("", lambda request: HttpResponse(type(request).__name__))]
"""
MANAGE = """
import os
from django.core.management import execute_from_command_line
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tiny")
execute_from_command_line()
"""
SERVER = """
from django.core.{kind} import get_{kind}_application
application = get_{kind}_application()
"""
IN_IMAGE = """
import shutil, sys
from pathlib import Path
from importlib.util import find_spec
missing = [str(p) for p in Path(find_spec("entrypoint").origin).parent.rglob("*.py")
           if not list((p.parent / "__pycache__").glob(p.stem + ".*.pyc"))]
lists = [p.name for p in Path("/var/lib/apt/lists").glob("*")]
programs = [name for name in ("gcc", "cc", "nginx", "gunicorn", "uvicorn") if shutil.which(name)]
print(programs, missing, lists, bool(find_spec("django")))
"""


class Variant(NamedTuple):
    """Build arguments, and what follows from them."""

    server: str
    nginx: str
    port: int
    programs: list[str]
    request: str  # the class of a request


VARIANTS = (
    Variant("gunicorn", "off", 8080, ["gunicorn"], "WSGIRequest"),
    Variant("uvicorn", "on", 80, ["nginx", "uvicorn"], "ASGIRequest"),
)


@pytest.fixture(scope="module")
def engine_of_module() -> Iterator[Engine]:
    with Engine() as engine:
        yield engine


@pytest.fixture(scope="module", params=VARIANTS, ids=lambda variant: f"{variant.server}, nginx {variant.nginx}")
def built(request: pytest.FixtureRequest, engine_of_module: Engine) -> tuple[Variant, str]:
    variant: Variant = request.param
    arguments = {"PYTHON": "3.13", "SERVER": variant.server, "NGINX": variant.nginx, "PACKAGES": ""}
    options = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    return variant, engine_of_module.build(ROOT, "--network=host", "-f", str(ROOT / "docker/Dockerfile"), *options)


def test_the_image_holds_what_was_chosen_and_no_more(built: tuple[Variant, str]) -> None:
    variant, image = built
    told = output_of("--entrypoint", "python", image, "-c", IN_IMAGE).stdout.strip()
    assert told == f"{variant.programs} [] [] False"
    config = json.loads(docker("image", "inspect", "-f", "{{json .Config}}", image).stdout)
    assert f"{variant.port}/tcp" in config["ExposedPorts"]
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"] == ["CMD", "/usr/local/bin/entrypoint", "health"]
    assert {f"org.opencontainers.image.{name}" for name in ("title", "description", "licenses")} <= set(
        config["Labels"]
    )


@pytest.fixture(scope="module")
def project(
    built: tuple[Variant, str], engine_of_module: Engine, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Variant, str]:
    """An image of a project whose requirements bring Django."""
    variant, base = built
    folder = tmp_path_factory.mktemp("project")
    (folder / "Dockerfile").write_text(
        f"FROM {base}\nCOPY requirements.txt .\nRUN pip install --no-cache-dir -r requirements.txt\nCOPY . .\n"
    )
    (folder / "requirements.txt").write_text("Django~=5.2.0\n")
    (folder / "manage.py").write_text(MANAGE)
    (folder / "tiny.py").write_text(SETTINGS)
    for kind in ("asgi", "wsgi"):
        (folder / f"{kind}.py").write_text(SERVER.format(kind=kind))
    return variant, engine_of_module.build(folder, "--network=host")


@pytest.mark.parametrize("user", [(), ("--user", "1000")], ids=["root", "an ordinary user"])
def test_a_project_brings_its_own_django(project: tuple[Variant, str], engine: Engine, user: tuple[str, ...]) -> None:
    variant, image = project
    container = engine.run(image, {}, options=user, port=8080 if user else variant.port)
    until(lambda: container.exec("entrypoint", "health").returncode == 0, "health", BOOT, lambda: container.logs)
    assert requests.get(container.url, timeout=PATIENCE).text == variant.request
    assert container.stop()[0] == 0, container.logs
