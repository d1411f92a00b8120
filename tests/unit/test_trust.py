"""What root trusts: a table of real paths, and who could change their target."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from entrypoint.boot.trust.accounts import Account
from entrypoint.boot.trust.trust import Trust, acting_as

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has someone to distrust")

SOMEONE = Account(uid=4321, gid=4321, groups=(4321, 4322), name="someone", group="someone", home="/home/someone")
TRUST = Trust((SOMEONE,))


def own(path: Path, mode: int, uid: int = 0, gid: int = 0) -> Path:
    os.chown(path, uid, gid, follow_symlinks=False)
    if not path.is_symlink():
        path.chmod(mode)
    return path


def file(folder: Path) -> Path:
    (folder / "file").touch()
    return own(folder / "file", 0o644)


def of_someone(folder: Path) -> Path:
    return own(file(folder), 0o600, SOMEONE.uid)


def of_their_group(folder: Path) -> Path:
    return own(file(folder), 0o664, 0, 4322)


def of_another_group(folder: Path) -> Path:
    return own(file(folder), 0o664, 0, 50)


def of_everyone(folder: Path) -> Path:
    return own(file(folder), 0o646)


def in_their_folder(folder: Path) -> Path:
    own(folder, 0o755, SOMEONE.uid)
    return file(folder)


def below_their_folder(folder: Path) -> Path:
    (folder / "theirs/ours").mkdir(parents=True)
    own(folder / "theirs", 0o755, SOMEONE.uid)
    return file(folder / "theirs/ours")


def ours_in_a_sticky_folder(folder: Path) -> Path:
    own(folder, 0o1777)
    return file(folder)


def theirs_in_a_sticky_folder(folder: Path) -> Path:
    own(folder, 0o1777)
    return own(file(folder), 0o644, SOMEONE.uid)


def their_link_in_a_sticky_folder(folder: Path) -> Path:
    (folder / "kept").mkdir()
    file(folder / "kept")
    (folder / "link").symlink_to("kept/file")
    own(folder, 0o1777)
    return own(folder / "link", 0, SOMEONE.uid)


def a_link_to_theirs(folder: Path) -> Path:
    (folder / "theirs").mkdir()
    file(folder / "theirs")
    own(folder / "theirs", 0o755, SOMEONE.uid)
    (folder / "link").symlink_to(folder / "theirs/file")
    return folder / "link"


def a_link_out_of_theirs(folder: Path) -> Path:
    (folder / "theirs").mkdir()
    (folder / "theirs/link").symlink_to("../file")
    file(folder)
    own(folder / "theirs", 0o755, SOMEONE.uid)
    return folder / "theirs/link"


def by_way_of_theirs_and_back(folder: Path) -> Path:
    (folder / "theirs").mkdir()
    file(folder)
    own(folder / "theirs", 0o755, SOMEONE.uid)
    return folder / "theirs/../file"


def a_link_to_itself(folder: Path) -> Path:
    (folder / "link").symlink_to("link")
    return folder / "link"


def missing_in_their_folder(folder: Path) -> Path:
    return own(folder, 0o755, SOMEONE.uid) / "missing"


def missing_in_a_sticky_folder(folder: Path) -> Path:
    return own(folder, 0o1777) / "missing"


def missing_in_ours(folder: Path) -> Path:
    return folder / "missing/at/all"


@pytest.mark.parametrize(
    ("make", "writable"),
    [
        (file, None),
        (of_someone, "file"),
        (of_their_group, "file"),
        (of_another_group, None),
        (of_everyone, "file"),
        (in_their_folder, "."),
        (below_their_folder, "theirs"),
        (ours_in_a_sticky_folder, None),
        (theirs_in_a_sticky_folder, "."),
        (their_link_in_a_sticky_folder, "."),
        (a_link_to_theirs, "theirs"),
        (a_link_out_of_theirs, "theirs"),
        (by_way_of_theirs_and_back, "theirs"),
        (a_link_to_itself, None),
        (missing_in_their_folder, "."),
        (missing_in_a_sticky_folder, None),
        (missing_in_ours, None),
    ],
)
def test_root_trusts_a_path_that_nobody_else_can_change(
    place: Path, make: Callable[[Path], Path], writable: str | None
) -> None:
    folder = place / "folder"
    folder.mkdir()
    path = make(folder)
    assert TRUST.fault(path) == (None if writable is None else f"someone can write {folder / writable}")
    assert Trust().fault(path) is None


def test_a_file_that_anyone_could_make_first_is_not_trusted_for_writing(place: Path) -> None:
    assert TRUST.fault(missing_in_a_sticky_folder(place), create=True) == f"someone can write {place}"
    assert TRUST.fault(own(place, 0o755) / "missing", create=True) is None


def test_a_link_that_someone_has_put_there_leads_root_to_nothing_that_they_cannot_read(place: Path) -> None:
    secret = place / "secret"
    secret.write_text("root's alone")
    secret.chmod(0o600)
    (place / "theirs").mkdir()
    (place / "theirs/settings").symlink_to(secret)
    assert TRUST.read(place / "theirs/settings", secret.read_text) == "root's alone"
    own(place / "theirs", 0o755, SOMEONE.uid)
    with pytest.raises(PermissionError):
        TRUST.read(place / "theirs/settings", secret.read_text)
    assert (os.geteuid(), os.getegid()) == (0, 0)


def test_acting_as_someone_has_their_rights_and_no_others(place: Path) -> None:
    own(place, 0o770, 0, 4322)
    with acting_as(SOMEONE):
        (place / "made").touch()
    made = (place / "made").stat()
    assert (made.st_uid, made.st_gid) == (4321, 4321)
    assert (os.geteuid(), os.getegid()) == (0, 0)


def test_the_environment_of_roots_processes_names_no_code_that_someone_can_write(place: Path) -> None:
    (place / "theirs").mkdir()
    own(place / "theirs", 0o755, SOMEONE.uid)
    environment = {
        "PATH": f"{place}/theirs:/usr/bin:.:/bin",
        "PYTHONPATH": f"{place}/theirs",
        "LD_LIBRARY_PATH": f"{place}/theirs/lib:/usr/lib",
        "PYTHONUNBUFFERED": "1",
        "HOME": str(place / "theirs"),
        "DATA": str(place / "theirs"),
    }
    assert TRUST.environment(environment) == {
        "PATH": "/usr/bin:/bin",
        "LD_LIBRARY_PATH": "/usr/lib",
        "PYTHONUNBUFFERED": "1",
        "HOME": "/root",
        "USER": "root",
        "LOGNAME": "root",
        "DATA": str(place / "theirs"),
    }
    assert Trust().environment(environment) == environment
