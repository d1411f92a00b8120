"""A user's templates: how the folder is read, and that the page names each of them."""

from pathlib import Path

import pytest

from entrypoint.boot.facts.templates import NAMES, read_templates
from entrypoint.boot.files.render import conf_dir
from entrypoint.errors import Unusable

PAGE = (Path(__file__).parents[2] / "docs/how-to/own-templates.md").read_text(encoding="utf-8")


# ---- the folder


def test_every_template_can_be_replaced() -> None:
    assert sorted(NAMES) == sorted(path.name for path in conf_dir().iterdir() if path.is_file())


def test_templates_are_read_by_name_and_hidden_files_are_not(tmp_path: Path) -> None:
    (tmp_path / "..2026_01_01").mkdir()
    (tmp_path / "uwsgi.ini.j2").write_text("[uwsgi]\n", encoding="utf-8")
    assert read_templates(tmp_path) == {"uwsgi.ini.j2": "[uwsgi]\n"}


def test_an_empty_folder_replaces_nothing(tmp_path: Path) -> None:
    assert read_templates(tmp_path) == {}


def test_every_problem_of_the_folder_is_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "nginx.cnf.j2").touch()
    (tmp_path / "zzz").touch()
    (tmp_path / "nginx.conf.j2").mkdir()
    (tmp_path / "starting.html").write_bytes(b"\xff")
    with pytest.raises(Unusable) as caught:
        read_templates(tmp_path)
    assert caught.value.problems == (
        f"cannot use {tmp_path}/nginx.cnf.j2: no template has this name; did you mean nginx.conf.j2?",
        f"cannot read {tmp_path}/nginx.conf.j2: Is a directory",
        f"cannot read {tmp_path}/starting.html: it is not UTF-8 text",
        f"cannot use {tmp_path}/zzz: no template has this name; the templates are {', '.join(NAMES)}",
    )


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unusable) as caught:
        read_templates(tmp_path / "missing")
    assert str(caught.value).endswith("missing: No such file or directory")
    assert str(caught.value).startswith("cannot use ENTRYPOINT_CONF_DIR=")


# ---- the page


@pytest.mark.parametrize("name", NAMES)
def test_the_page_names_each_template(name: str) -> None:
    assert f"| `{name}` |" in PAGE
