"""A user's files in /etc/nginx/conf.d and /etc/nginx/server.d."""

import os
from pathlib import Path, PurePosixPath

import pytest

from entrypoint.boot.facts.user_files import nginx_files
from entrypoint.errors import Unusable

# As the image nginx:1.27 has it.
WELCOME = """server {
    listen       80;
    listen  [::]:80;
    server_name  localhost;

    #access_log  /var/log/nginx/host.access.log  main;

    location / {
        root   /usr/share/nginx/html;
        index  index.html index.htm;
    }
}
"""


def test_drop_ins_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.conf", "10-a.conf", "a.conf", "readme.txt", "a.conf.off"):
        (tmp_path / name).touch()
    assert nginx_files(tmp_path) == tuple(PurePosixPath(tmp_path, name) for name in ("10-a.conf", "a.conf", "b.conf"))


def test_a_drop_in_that_is_not_a_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.conf")
    with pytest.raises(Unusable, match=r"a\.conf: it is not a regular file$"):
        nginx_files(tmp_path)


def test_without_the_folder_there_are_no_drop_ins(tmp_path: Path) -> None:
    assert nginx_files(tmp_path / "none") == ()


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("default.conf", WELCOME, False),
        ("default.conf", WELCOME.replace("localhost", "example.com"), True),
        ("default.conf", "gzip_static on;", True),
        ("mine.conf", WELCOME, True),
    ],
)
def test_nginx_orgs_page_of_welcome_is_left_out(tmp_path: Path, name: str, text: str, *, found: bool) -> None:
    (tmp_path / name).write_text(text)
    assert nginx_files(tmp_path) == ((PurePosixPath(tmp_path, name),) if found else ())
