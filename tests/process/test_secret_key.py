"""SECRET_KEY when it is not set: generated once and kept, generated for one run, or an error; never shown."""

from __future__ import annotations

import json
import os
import pwd
import re
import stat
import sys
from typing import TYPE_CHECKING

import pytest
from deadline import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Command, Done, Project

READ = "import os; print(os.environ.get('SECRET_KEY'), os.environ.get('DJANGO_SECRET_KEY'))"
ENVIRON = """
    import os
    SECRET_KEY = os.environ["SECRET_KEY"]
"""
HINT = "set SECRET_KEY, or set ENTRYPOINT_DATA_DIR to a volume where one is generated and kept"


@pytest.fixture
def volume(place: Path) -> Path:
    folder = place / "volume"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    return folder


@pytest.fixture
def reading(project: Project) -> Project:
    """Give a project that reads its key from the environment."""
    project.add_setting(ENVIRON)
    return project


def migrate(entrypoint: Command, project: Project, **environ: str) -> Done:
    return entrypoint.run(project.root, "prepare", "--only", "migrate", **environ)


def key_in(volume: Path) -> str:
    return (volume / "secret_key").read_text(encoding="ascii").removesuffix("\n")


def test_a_key_is_made_once_kept_for_its_user_alone_and_shown_nowhere(
    entrypoint: Command, reading: Project, volume: Path
) -> None:
    done = entrypoint.run(reading.root, "prepare", "--skip", "port", ENTRYPOINT_DATA_DIR=str(volume))
    assert done.code == 0
    assert f" keep SECRET_KEY in {volume}/secret_key\n" in done.err
    key = key_in(volume)
    assert re.fullmatch(r"[0-9a-f]{64}", key)
    assert stat.S_IMODE((volume / "secret_key").stat().st_mode) == 0o600
    shown = [
        done,
        entrypoint.run(reading.root, "--dry-run", "--format", "json", ENTRYPOINT_DATA_DIR=str(volume)),
        entrypoint.run(reading.root, "--dry-run", ENTRYPOINT_DATA_DIR=str(volume)),
        entrypoint.run(reading.root, "env", ENTRYPOINT_DATA_DIR=str(volume)),
    ]
    assert [each.code for each in shown] == [0] * 4
    assert key not in "".join(each.out + each.err for each in shown)
    assert all(key not in path.read_text() for path in (entrypoint.place / "run").rglob("*") if path.is_file())
    assert key_in(volume) == key


def test_the_programs_get_the_key_under_both_names(entrypoint: Command, reading: Project, volume: Path) -> None:
    said = entrypoint.run(reading.root, sys.executable, "-c", READ, ENTRYPOINT_DATA_DIR=str(volume)).out
    assert said == f"{key_in(volume)} {key_in(volume)}\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can choose whom the application runs as")
def test_the_key_is_the_applications_users(entrypoint: Command, reading: Project, volume: Path) -> None:
    name = pwd.getpwuid(65534).pw_name
    assert migrate(entrypoint, reading, ENTRYPOINT_DATA_DIR=str(volume), ENTRYPOINT_USER=name).code == 0
    found = (volume / "secret_key").stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (65534, 0o600)


@pytest.mark.parametrize("name", ["SECRET_KEY", "DJANGO_SECRET_KEY"])
def test_a_key_that_is_set_is_used(entrypoint: Command, reading: Project, volume: Path, name: str) -> None:
    done = entrypoint.run(reading.root, sys.executable, "-c", READ, ENTRYPOINT_DATA_DIR=str(volume), **{name: "own"})
    assert done.out in ("own None\n", "None own\n")
    assert list(volume.iterdir()) == []


def test_a_key_in_the_projects_dotenv_is_used(entrypoint: Command, project: Project, volume: Path) -> None:
    project.write(".env", "DEBUG=no\nexport SECRET_KEY='own'\n")
    assert migrate(entrypoint, project, ENTRYPOINT_DATA_DIR=str(volume)).code == 0
    assert list(volume.iterdir()) == []


def test_several_containers_at_once_have_one_key(entrypoint: Command, reading: Project, volume: Path) -> None:
    code = f"{READ[:-1]}, file=__import__('sys').stderr)"
    running = [
        entrypoint.start(reading.root, sys.executable, "-c", code, ENTRYPOINT_DATA_DIR=str(volume)) for _ in range(6)
    ]
    assert [each.process.wait(PATIENCE) for each in running] == [0] * 6
    assert {each.err for each in running} == {f"{key_in(volume)} {key_in(volume)}\n"}


@pytest.mark.parametrize("half", ["", "abc"], ids=["empty", "without its newline"])
def test_a_key_that_was_not_written_whole_is_made_again(
    entrypoint: Command, reading: Project, volume: Path, half: str
) -> None:
    (volume / "secret_key").write_text(half, encoding="ascii")
    assert migrate(entrypoint, reading, ENTRYPOINT_DATA_DIR=str(volume)).code == 0
    assert len(key_in(volume)) == 64


def test_a_dry_run_makes_no_key_and_prints_what_the_real_one_does(
    entrypoint: Command, reading: Project, volume: Path
) -> None:
    done = entrypoint.run(reading.root, "--dry-run", "--format", "json", ENTRYPOINT_DATA_DIR=str(volume))
    assert done.code == 0
    assert list(volume.iterdir()) == []
    line = f"keep SECRET_KEY in {volume}/secret_key"
    assert {"name": "secret-key", "line": line} in json.loads(done.out)["steps"]


def test_a_link_to_another_file_is_refused(entrypoint: Command, reading: Project, volume: Path, place: Path) -> None:
    (place / "other").write_text("of somebody else\n", encoding="ascii")
    (volume / "secret_key").symlink_to(place / "other")
    done = migrate(entrypoint, reading, ENTRYPOINT_DATA_DIR=str(volume))
    assert (done.code, f"cannot read {volume}/secret_key: " in done.err) == (77, True)
    (volume / "secret_key").unlink()
    (volume / "secret_key").hardlink_to(place / "other")
    done = migrate(entrypoint, reading, ENTRYPOINT_DATA_DIR=str(volume))
    assert (done.code, done.err) == (
        77,
        f"[entrypoint] cannot use {volume}/secret_key: it is not a regular file, or it has hard links\n",
    )


def test_a_missing_or_unwritable_folder_is_reported(
    entrypoint: Command, reading: Project, volume: Path, ordinary_user: int | None
) -> None:
    done = migrate(entrypoint, reading, ENTRYPOINT_DATA_DIR=f"{volume}/none")
    line = f"[entrypoint] cannot use ENTRYPOINT_DATA_DIR={volume}/none: there is no such folder; mount a volume there\n"
    assert (done.code, done.err) == (78, line)
    volume.chmod(0o555)
    command = entrypoint.as_user(ordinary_user)
    done = migrate(command, reading, ENTRYPOINT_DATA_DIR=str(volume), ENTRYPOINT_USER="")
    assert done.code == 77
    assert done.err.startswith(f"[entrypoint] cannot write {volume}/secret_key: Permission denied; ")


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        (ENVIRON, "KeyError: 'SECRET_KEY'"),
        ("import os\nSECRET_KEY = os.environ.get('SECRET_KEY', '')\n", "The SECRET_KEY setting must not be empty."),
        ("raise LookupError('SECRET_KEY not found. Declare it as envvar')\n", "LookupError: SECRET_KEY not found."),
    ],
    ids=["from the environment", "empty", "another library"],
)
def test_settings_that_have_no_key_say_what_to_set(
    entrypoint: Command, project: Project, setting: str, why: str
) -> None:
    project.add_setting(setting)
    done = migrate(entrypoint, project)
    assert done.code == 78
    assert done.err.startswith("[entrypoint] cannot load the application: ")
    assert why in done.err
    assert done.err.endswith(f"; {HINT}\n")
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("error", ["ValueError('SECRET_KEY is too short')", "KeyError('OTHER_SECRET_KEY_OF_MINE')"])
def test_settings_that_fail_for_another_reason_do_not_name_the_key(
    entrypoint: Command, project: Project, error: str
) -> None:
    project.add_setting(f"raise {error}\n")
    done = migrate(entrypoint, project, SECRET_KEY="short")
    assert done.code == 78
    assert error.partition("(")[0] in done.err
    assert "ENTRYPOINT_DATA_DIR" not in done.err


@pytest.mark.parametrize(
    ("words", "environ"),
    [(("prepare", "--only", "collectstatic"), {}), (("prepare", "--only", "migrate"), {"DJANGO_ENV": "development"})],
    ids=["an image's build", "development"],
)
def test_a_build_and_development_get_a_key_that_nobody_keeps(
    entrypoint: Command, reading: Project, volume: Path, words: tuple[str, ...], environ: dict[str, str]
) -> None:
    environ = {**environ, **({"ENTRYPOINT_DATA_DIR": str(volume)} if "collectstatic" in words else {})}
    done = entrypoint.run(reading.root, *words, **environ)
    assert done.code == 0
    assert list(volume.iterdir()) == []
