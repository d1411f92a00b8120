"""PUID and PGID: which files root gives to the application's user."""

from __future__ import annotations

import os
import shlex
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest

from entrypoint.boot.effects.checks import unwritable
from entrypoint.boot.effects.disk.ownership import hand_over
from entrypoint.boot.trust.accounts import look_up

if TYPE_CHECKING:
    from conftest import Command, Project

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owner of a file")

OTHER = 4321
UID, GID = 12345, 54321


def of_another(path: Path) -> Path:
    os.chown(path, OTHER, OTHER, follow_symlinks=False)
    return path


def a_file(path: Path) -> Path:
    path.write_text("text\n")
    return path


def a_folder(path: Path) -> Path:
    path.mkdir()
    return path


def owner(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_uid, found.st_gid


def give(path: Path) -> str:
    return hand_over(PurePosixPath(path), look_up(f"{UID}:{GID}"))


def test_files_of_another_user_are_handed_over_and_the_folder_last(place: Path) -> None:
    data = of_another(a_folder(place / "data"))
    inner = of_another(a_folder(data / "inner"))
    file = of_another(a_file(inner / "file"))
    assert give(data) == "handed over; files and folders in it: 2"
    assert {owner(path) for path in (data, inner, file)} == {(UID, GID)}
    of_another(file)
    assert not give(data), "a folder of the right owner is done"
    assert owner(file) == (OTHER, OTHER)


def test_files_of_root_stay_with_root(place: Path) -> None:
    data = of_another(a_folder(place / "data"))
    folder = a_folder(data / "folder")
    kept = [folder, a_file(data / "file"), of_another(a_file(folder / "file"))]
    before = [owner(path) for path in kept]
    left = "not handed over: 2 (of root, of another program, or with hard links)"
    assert give(data) == f"handed over; files and folders in it: 0; {left}"
    assert [owner(path) for path in kept] == before


def test_no_link_is_followed_and_no_hard_link_is_given_away(place: Path) -> None:
    outside = of_another(a_folder(place / "outside"))
    linked = of_another(a_file(outside / "linked"))
    data = of_another(a_folder(place / "data"))
    (data / "folder").symlink_to(outside)
    (data / "file").symlink_to(linked)
    os.link(linked, data / "hard")
    assert give(data).endswith("not handed over: 1 (of root, of another program, or with hard links)")
    assert owner(outside) == owner(linked) == (OTHER, OTHER)


def test_a_path_through_a_link_is_left(place: Path) -> None:
    media = of_another(a_folder(of_another(a_folder(place / "outside")) / "media"))
    (of_another(a_folder(place / "data")) / "link").symlink_to(place / "outside")
    for path in (place / "data/link", place / "data/link/media"):
        assert give(path) == "not handed over: its path contains a symbolic link or a file"
    assert owner(media) == (OTHER, OTHER)


@pytest.mark.parametrize("name", ["roots", "roots/empty", "roots/missing/media"])
def test_a_folder_of_root_is_left_even_if_it_is_empty(place: Path, name: str) -> None:
    a_folder(a_folder(place / "roots") / "empty")
    assert "belongs to root and is not an empty volume; chown -R 12345:54321 " in give(place / name)
    assert {owner(path) for path in (place / "roots", place / "roots/empty")} == {(0, 0)}


def test_the_last_folder_that_exists_is_handed_over(place: Path) -> None:
    data = of_another(a_folder(place / "data"))
    give(data / "media/uploads")
    assert owner(data) == (UID, GID)


def test_a_project_with_data_of_another_user_is_prepared_as_puid(entrypoint: Command, project: Project) -> None:
    data = project.root / "data"
    data.chmod(0o755)
    of_another(data)
    given = {"ENTRYPOINT_USER": "", "PUID": str(UID), "PGID": str(GID)}
    done = entrypoint.run(project.root, "prepare", "--skip", "port", "--skip", "validate", **given)
    assert done.code == 0, done.err
    assert f"    {data}: handed over" in done.err
    assert {owner(path) for path in (data, project.database, data / "static")} == {(UID, GID)}
    assert owner(project.root) == (0, 0)


def test_a_command_that_is_advised_runs_nothing_that_a_path_names(place: Path) -> None:
    folder = a_folder(place / "$(id)")
    a_file(folder / "file")
    command = give(folder).rpartition("; ")[2]
    assert shlex.split(command) == ["chown", "-R", f"{UID}:{GID}", str(folder)]
    assert "'" in command
    found = unwritable.check(
        unwritable.Place("MEDIA_ROOT", Path("/missing/$(id)"), look_up(f"{UID}:{GID}")), kubernetes=False
    )
    assert found is not None
    assert "'/missing/$(id)'" in found.remedy


def test_files_of_another_programs_user_stay_with_that_user(place: Path) -> None:
    data = of_another(a_folder(place / "data"))
    theirs = a_file(data / "theirs")
    os.chown(theirs, OTHER + 1, OTHER + 1)
    account = look_up(f"{UID}:{GID}")
    assert "; not handed over: 1 (" in hand_over(PurePosixPath(data), account, [OTHER + 1])
    assert (owner(data), owner(theirs)) == ((UID, GID), (OTHER + 1, OTHER + 1))
    of_another(data)
    assert "belongs to uid 4321, which runs" in hand_over(PurePosixPath(data), account, [OTHER])
    assert owner(data) == (OTHER, OTHER)
