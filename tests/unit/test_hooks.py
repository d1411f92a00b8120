"""Which files are hooks, and in which order."""

from pathlib import Path, PurePosixPath

import pytest

from entrypoint.boot.facts.hooks import Finder, Hooks, in_version_order


def find(folder: Path, *, python_path: str = "", required: bool = False) -> Hooks:
    app = folder.parent / "app"
    return Finder(folder, app, PurePosixPath("/python"), python_path, root=False).find(required=required)


@pytest.mark.parametrize(
    ("first", "second"),
    [("9-a", "10-a"), ("09-a", "10-a"), ("1-a", "1-b"), ("10-x2", "10-x10"), ("9", "a"), ("²", "³")],
)
def test_names_are_in_the_order_of_their_numbers(first: str, second: str) -> None:
    assert in_version_order(first) < in_version_order(second)


def test_a_folder_that_does_not_exist_holds_no_hooks(tmp_path: Path) -> None:
    assert find(tmp_path / "none") == Hooks()


def test_a_broken_link_is_no_hook_and_a_mounted_one_is(tmp_path: Path) -> None:
    folder = tmp_path / "hooks"
    (folder / "..data").mkdir(parents=True)  # as a ConfigMap is mounted
    (folder / "..data/1.sh").touch()
    (folder / "1.sh").symlink_to("..data/1.sh")
    (folder / "2.sh").symlink_to("..data/2.sh")
    found = find(folder)
    assert [hook.path for hook in found.of("pre-start")] == [PurePosixPath(folder / "1.sh")]
    assert found.ignored == ("2.sh",)


def test_a_python_hook_can_import_the_application_before_all_else(tmp_path: Path) -> None:
    (tmp_path / "1.py").touch()
    (hook,) = find(tmp_path, python_path="/more").of("pre-start")
    assert hook.command == (
        "/usr/bin/env",
        f"PYTHONPATH={tmp_path.parent}/app:/more",
        "/python",
        f"{tmp_path}/1.py",
    )
