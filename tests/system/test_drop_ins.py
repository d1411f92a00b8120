"""nginx's configuration of the user's own, where it lies: /etc/nginx."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
from deadline import PATIENCE
from site_under_test import NewSite

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root writes to /etc/nginx"),
]
Put = Callable[[str, str], Path]


@pytest.fixture
def put() -> Iterator[Put]:
    """Give a function that puts a text into a folder under /etc/nginx; all is taken away again."""
    with ExitStack() as stack:

        def write(folder: str, text: str) -> Path:
            path = Path("/etc/nginx", folder, f"zz-test-{uuid.uuid4().hex}.conf")
            if not path.parent.is_dir():
                path.parent.mkdir()
                stack.callback(path.parent.rmdir)
            path.write_text(text)
            stack.callback(path.unlink)
            return path

        yield write


def test_files_of_ones_own_are_part_of_the_site(prepared_site: NewSite, put: Put) -> None:
    http = put("conf.d", 'map $arg_name $zz_test_greeting { default "hello"; Ada "hello Ada"; }')
    server = put("server.d", "location = /greeting { return 200 $zz_test_greeting; }")
    site = prepared_site().start().ready()
    line = next(line for line in site.steps if "include in nginx's configuration" in line)
    assert f"{http} (http)" in line
    assert f"{server} (server)" in line
    assert requests.get(f"{site.url}/greeting?name=Ada", timeout=PATIENCE).text == "hello Ada"
    assert site.status("/request/") == 200


def test_a_file_that_nginx_does_not_take_is_named(prepared_site: NewSite, put: Put) -> None:
    path = put("server.d", "no_such_directive on;")
    site = prepared_site().start()
    assert site.wait() == 78
    assert f'cannot use {path}: unknown directive "no_such_directive" in line 1\n' in site.output
