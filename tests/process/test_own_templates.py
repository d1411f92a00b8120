"""ENTRYPOINT_CONF_DIR, with the real command and the programs that read the files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Command, Project

CONF = Path(__file__).resolve().parents[2] / "conf"


@pytest.fixture
def own(place: Path) -> Path:
    folder = place / "own"
    folder.mkdir()
    return folder


def test_a_users_template_is_rendered_and_named(entrypoint: Command, project: Project, place: Path, own: Path) -> None:
    (own / "starting.html").write_text("<h1>{{ worker_processes | int > 0 }}</h1>\n", encoding="utf-8")
    done = entrypoint.run(
        project.root, "prepare", "--only", "templates", "--only", "render", ENTRYPOINT_CONF_DIR=str(own)
    )
    assert done.code == 0, done.err
    assert f" use starting.html from {own}\n" in done.err
    assert (place / "run/www/starting.html").read_text(encoding="utf-8") == "<h1>True</h1>\n"


def test_a_line_that_nginx_refuses_is_reported_with_its_template(
    entrypoint: Command, project: Project, place: Path, own: Path, free_port: int
) -> None:
    ours = (CONF / "nginx.conf.j2").read_text(encoding="utf-8")
    (own / "nginx.conf.j2").write_text(ours.replace("sendfile on;", "sendfile maybe;"), encoding="utf-8")
    done = entrypoint.run(
        project.root, "prepare", "--only", "render", "--only", "validate",
        PORT=f"127.0.0.1:{free_port}", ENTRYPOINT_CONF_DIR=str(own),
    )  # fmt: skip
    assert done.code == 78
    last = done.err.splitlines()[-1]
    assert last.startswith(f"[entrypoint] cannot use {place}/run/nginx.conf, from {own}/nginx.conf.j2: ")
    assert last.endswith("; it says: sendfile maybe;")


@pytest.mark.parametrize("words", [["--dry-run"], ["--dry-run", "--format", "json"], ["prepare", "--only", "render"]])
def test_a_template_that_cannot_be_rendered_ends_the_boot_in_one_line(
    entrypoint: Command, project: Project, place: Path, own: Path, words: list[str]
) -> None:
    (own / "uwsgi.ini.j2").write_text("[uwsgi]\nprocesses = {{ wrokers }}\n", encoding="utf-8")
    done = entrypoint.run(project.root, *words, ENTRYPOINT_CONF_DIR=str(own))
    assert (done.code, done.out) == (78, "")
    assert done.err == f"[entrypoint] cannot render {own}/uwsgi.ini.j2, line 2: 'wrokers' is undefined\n"
    assert not (place / "run").exists()
