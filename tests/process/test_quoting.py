"""Unusual but valid paths, read by the real nginx and uWSGI."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from deadline import PATIENCE
from rows import rows

from entrypoint.boot.files import quote

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Command, Project

NAMES = [
    "with space",
    "semi;colon",
    "{brace}",
    'double"quote',
    "single'quote",
    "back\\slash",
    "back\\\\slashes\\",
    "#hash #hash",
    "ünïcöde 日本",
    "colon:and,comma=equals",
    "~tilde ^caret *star ?mark [x]",
    "@at (paren)",
    "\\n is no newline",
    "a; } server { listen 1; ",
]
TYPICAL = ['double"quote', "back\\slashes\\", "ünïcöde 日本", "a; } server { listen 1; "]
"""What each reader treats in its own way; tests/unit/test_quote.py has hundreds more."""
PLAIN = {"ENTRYPOINT_APP": "hello:app"}
REFUSED = {"STATIC_ROOT": ["$HOME", "a${b}c"], "ENTRYPOINT_APP_DIR": ["100%", "%d", "$(HOME)", "@(secret)", " "]}


@pytest.mark.parametrize("name", rows(NAMES, TYPICAL))
def test_nginx_reads_a_static_root_as_it_is_written(
    entrypoint: Command, plain: Path, free_port: int, until: Callable[..., None], name: str
) -> None:
    root = f"{plain}/{name}"
    static = {"PORT": f"127.0.0.1:{free_port}", "NGINX_STATIC_URL": "/static/", "NGINX_STATIC_ROOT": root}
    done = entrypoint.run(plain, "prepare", "--only", "render", **PLAIN, **static)
    assert (done.code, done.err.count("write ")) == (0, 1)
    Path(root).mkdir()
    (Path(root) / "page.txt").write_text("it is here", encoding="ascii")
    assert served(entrypoint, free_port, "/static/page.txt", until) == "it is here"


@pytest.mark.parametrize("name", rows(NAMES, TYPICAL))
def test_uwsgi_reads_the_applications_folder_as_it_is_written(
    entrypoint: Command, plain: Path, place: Path, name: str
) -> None:
    folder = place / name.rstrip()
    plain.rename(folder)
    done = entrypoint.run(place, "prepare", "--only", "render", **PLAIN, ENTRYPOINT_APP_DIR=str(folder))
    assert done.code == 0
    uwsgi = str(Path(sys.executable).parent / "uwsgi")
    read = entrypoint.run_argv(place, [uwsgi, "--no-server", "--ini", f"{place}/run/uwsgi.ini"])
    assert read.code == 0
    assert f"chdir() to {folder}\n" in read.out + read.err


@pytest.mark.parametrize(("variable", "name"), [(key, name) for key, names in REFUSED.items() for name in names])
def test_a_path_that_no_quoting_can_save_is_refused(
    entrypoint: Command, project: Project, place: Path, variable: str, name: str
) -> None:
    folder = place / name
    if variable == "ENTRYPOINT_APP_DIR":
        project.root.rename(folder)
    else:
        folder = project.root / name
    cwd = place if variable == "ENTRYPOINT_APP_DIR" else project.root
    done = entrypoint.run(cwd, "prepare", "--only", "render", **{variable: str(folder)})
    assert done.code == 78
    assert done.err.startswith("[entrypoint] cannot write ")
    assert not (place / "run").exists()


@pytest.mark.parametrize("name", rows([name for name in NAMES if not re.search(r" [#;]", name)], TYPICAL))
def test_a_run_directory_is_read_as_it_is_written_or_refused(
    entrypoint: Command, plain: Path, place: Path, free_port: int, name: str
) -> None:
    (place / name).mkdir()
    environ = {**PLAIN, "ENTRYPOINT_RUN_DIR": f"{place}/{name}/run", "PORT": f"127.0.0.1:{free_port}"}
    done = entrypoint.run(plain, "prepare", "--only", "render", **environ)
    if done.code == 0:
        dump = entrypoint.run_argv(place, [NGINX, "-e", "stderr", "-T", "-c", f"{place}/{name}/run/nginx.conf"])
        assert dump.code == 0, dump.err
        assert "location = /-/ready" in dump.out
    else:
        assert done.code == 78
        assert done.err.splitlines()[-1].startswith("[entrypoint] cannot ")


NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/local/sbin:/usr/sbin:/sbin") or "nginx"


def served(entrypoint: Command, port: int, path: str, until: Callable[..., None]) -> str:
    """Return what a real nginx, run with the rendered configuration, answers."""
    argv = [NGINX, "-e", "stderr", "-c", f"{entrypoint.place}/run/nginx.conf"]
    process = subprocess.Popen(
        argv, env=entrypoint.environment({}), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        until(lambda: process.poll() is not None or accepts(port))
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()
        process.terminate()
        process.wait(PATIENCE)


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("folder", ["run", "run [b]*?\\ {c};", "r'u\"n#"])
def test_nginx_includes_a_file_that_may_be_missing(entrypoint: Command, place: Path, folder: str) -> None:
    (place / folder).mkdir()
    file, conf = place / folder / "more.conf", place / "nginx.conf"
    conf.write_text(f"pid {quote.nginx(place / 'pid')};\nevents {{}}\ninclude {quote.nginx_optional(file)};\n")

    def said() -> str:
        done = entrypoint.run_argv(place, [NGINX, "-e", "stderr", "-t", "-c", str(conf)])
        return f"{done.code}: {done.err}"

    assert said().startswith("0: ")
    file.write_text("bogus;\n")
    assert 'unknown directive "bogus"' in said()
