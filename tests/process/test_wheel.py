"""The wheel contains exactly these files, the templates included."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from deadline import PATIENCE

if TYPE_CHECKING:
    from conftest import Command, Project

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel; the builder comes from the package index where it is not installed."""
    folder = tmp_path_factory.mktemp("wheel")
    own = ["--no-build-isolation"] if find_spec("hatchling") else []
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", *own, "-w", str(folder), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False, timeout=PATIENCE)
    if "No matching distribution found for hatchling" in done.stderr:
        pytest.skip("hatchling is not installed and no package index can be reached")
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as opened:
        return set(opened.namelist())


def test_the_wheel_holds_the_package_and_its_templates_and_nothing_else(wheel: Path) -> None:
    package = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "entrypoint").rglob("*")
        if path.suffix == ".py" or path.name in {"py.typed", "page.html"}
    }
    templates = {f"entrypoint/{path.relative_to(ROOT)}" for path in (ROOT / "conf").rglob("*") if path.is_file()}
    scaffold = ROOT / "entrypoint" / "scaffold" / "templates"
    templates |= {str(path.relative_to(ROOT)) for path in scaffold.rglob("*") if path.is_file()}
    found = names(wheel)
    about = {name for name in found if name.partition("/")[0].endswith(".dist-info")}
    (command,) = (name for name in found if name.endswith(".data/scripts/entrypoint"))
    assert found - about - {command} == package | templates
    assert {name.partition("/")[2] for name in about} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "licenses/LICENSE",
    }


def test_the_templates_are_those_that_the_plan_names(wheel: Path) -> None:
    found = {name.removeprefix("entrypoint/conf/") for name in names(wheel) if name.startswith("entrypoint/conf/")}
    assert {name for name in found if not name.startswith("parts/")} == {  # which they include
        "gunicorn.conf.py.j2",
        "nginx-app.conf.j2",
        "nginx.conf.j2",
        "starting.html",
        "error.html",
        "maintenance.html",
        "supervisord.conf.j2",
        "uwsgi.ini.j2",
    }


def test_the_wheel_boots_with_templates_of_its_own(
    wheel: Path, entrypoint: Command, project: Project, place: Path
) -> None:
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(place / "installed")
    template = place / "installed/entrypoint/conf/uwsgi.ini.j2"
    template.write_text(template.read_text(encoding="utf-8") + "; from the wheel\n", encoding="utf-8")
    done = entrypoint.run_argv(
        project.root, [sys.executable, "-m", "entrypoint", "--dry-run"], PYTHONPATH=str(place / "installed")
    )
    assert done.code == 0
    assert "; from the wheel\n" in done.out
