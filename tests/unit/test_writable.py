"""The command that makes a folder writable for the application's user, and for the uid that an engine chooses."""

from pathlib import Path

import pytest

from entrypoint.app.writable import install


@pytest.mark.parametrize(
    ("who", "gid", "command"),
    [
        ("www-data", 33, "install -d -o www-data -g root -m 775 /data"),
        ("1000", 1000, "install -d -o 1000 -g root -m 775 /data"),
        ("1000650000", 0, "install -d -g root -m 775 /data"),  # another uid in another namespace
    ],
)
def test_a_folder_is_for_its_user_and_for_the_group_root(who: str, gid: int, command: str) -> None:
    assert install(Path("/data"), who, gid) == command
