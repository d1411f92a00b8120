"""Mistakes that end a boot before it does anything: exit codes and messages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Command, Project

DAEMONS = "/usr/local/sbin:/usr/sbin:/sbin"


def test_bytes_that_are_not_text_are_reported_in_one_line(entrypoint: Command, project: Project) -> None:
    done = entrypoint.run(project.root, "--dry-run", ENTRYPOINT_APP_DIR="/caf\udce9")
    assert (done.code, done.err) == (
        78,
        "[entrypoint] cannot use ENTRYPOINT_APP_DIR=/caf\\udce9: it is not UTF-8 text\n",
    )


@pytest.mark.parametrize("closed", ["file", "folder"])
def test_an_unreadable_secret_is_reported_with_our_user_and_its_owner(
    entrypoint: Command, project: Project, place: Path, ordinary_user: int | None, closed: str
) -> None:
    folder = place / "secrets"
    folder.mkdir(mode=0o755)
    file = folder / "password"
    file.write_text("open-sesame\n", encoding="ascii")
    what, mode = (file, 0o600) if closed == "file" else (folder, 0o700)
    what.chmod(mode if ordinary_user else 0)
    done = entrypoint.as_user(ordinary_user).run(
        project.root, "prepare", SUPERUSER_USERNAME="admin", SUPERUSER_PASSWORD_FILE=str(file)
    )
    what.chmod(0o755)
    owner = f"{what.owner()}:{what.group()} {mode if ordinary_user else 0:04o}"
    assert (done.code, done.err) == (
        78,
        (
            f"[entrypoint] cannot read SUPERUSER_PASSWORD_FILE={file}: Permission denied "
            f"(as uid {ordinary_user or os.geteuid()}; {'the file' if closed == 'file' else folder} is {owner})\n"
        ),
    )


@pytest.mark.parametrize("words", [["serve"], ["prepare"], ["--dry-run"]], ids=" ".join)
def test_a_warning_is_printed_once_before_anything_is_done(
    entrypoint: Command, project: Project, busy_port: int, words: list[str]
) -> None:
    environ = {"NGINX_CLIENT_MAX_BODY": "1m", "PORT": f"127.0.0.1:{busy_port}"}
    said = entrypoint.run(project.root, *words, **environ).err.splitlines()
    (number,) = (number for number, line in enumerate(said) if "warning: " in line)
    assert said[number].split(maxsplit=2)[2] == (
        "warning: NGINX_CLIENT_MAX_BODY has no effect: there is no such setting; "
        "did you mean NGINX_CLIENT_MAX_BODY_SIZE?"
    )
    assert [line.split()[2] for line in said[:number]] == ["read"]


def test_a_link_in_the_place_of_the_run_directory_is_refused(
    entrypoint: Command, project: Project, place: Path, free_port: int
) -> None:
    (place / "elsewhere").mkdir()
    (place / "run").symlink_to(place / "elsewhere")
    done = entrypoint.run(project.root, "prepare", PORT=f"127.0.0.1:{free_port}")
    assert done.code == 77
    assert "it is not a folder of this user" in done.err
    assert list((place / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("server", ["uwsgi", "gunicorn"])
def test_a_missing_server_ends_with_127_and_names_its_package(
    entrypoint: Command, project: Project, place: Path, free_port: int, server: str
) -> None:
    if server == "uwsgi" and shutil.which(server, path=DAEMONS):
        pytest.skip("this machine has a uwsgi of its own")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place / "venv")], check=True)
    (packages,) = (place / "venv/lib").glob("python*/site-packages")
    (packages / "borrowed.pth").write_text(
        f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n", encoding="utf-8"
    )
    done = entrypoint.run_argv(
        project.root,
        [str(place / "venv/bin/python"), "-m", "entrypoint", "prepare"],
        PATH=str(place / "venv/bin"),
        PORT=f"127.0.0.1:{free_port}",
        ENTRYPOINT_SERVER=server,
    )
    assert done.code == 127
    line = f"[entrypoint] cannot run {server}: it is not installed; pip install 'entrypoint-toolkit[{server}]'"
    assert line in done.err.splitlines()[-2:]  # supervisord is beside neither
    assert not project.database.exists()


def test_a_missing_nginx_ends_with_127_and_names_its_package(
    entrypoint: Command, project: Project, free_port: int
) -> None:
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:{DAEMONS}")
    apart = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
    if not nginx or subprocess.run([*apart, "true"], check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted over nginx here")
    again = ["unshare", f"--map-user={os.geteuid()}", f"--map-group={os.getegid()}"] if os.geteuid() else []
    hide = 'mount --bind /dev/null "$1" && shift && exec "$@"'
    script = str(Path(sys.executable).parent / "entrypoint")
    done = entrypoint.run_argv(
        project.root,
        [*apart, "sh", "-c", hide, "sh", str(Path(nginx).resolve()), *again, script, "prepare"],
        PORT=f"127.0.0.1:{free_port}",
    )
    assert done.code == 127
    assert done.err.splitlines()[-1] == (
        "[entrypoint] cannot run nginx: it is not installed; apt-get install nginx-light"
    )
    assert not project.database.exists()


@pytest.mark.parametrize(
    "words",
    [["serve", "--no-such-option"], ["--no-such-option"], ["prepare", "extra"], ["health", "well"], ["exec"]],
    ids=" ".join,
)
def test_a_wrong_usage_ends_with_2_and_says_the_right_one(entrypoint: Command, place: Path, words: list[str]) -> None:
    done = entrypoint.run(place, *words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: entrypoint ")
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--help"], "serve"),
        (["serve", "--help"], "--dry-run"),
        (["prepare", "--help"], "--only"),
        (["health", "--help"], "ready"),
        (["exec", "--help"], "COMMAND"),
        (["render", "--help"], "--out"),
        (["check", "--help"], "nginx -t"),
        (["env", "--help"], "--format"),
        (["-h"], "serve"),
        (["serve", "-h"], "--dry-run"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_each_command_has_its_help(entrypoint: Command, place: Path, words: list[str], said: str) -> None:
    done = entrypoint.run(place, *words)
    assert (done.code, done.err) == (0, "")
    assert said in done.out


def test_a_misspelt_command_is_reported_with_the_right_one(entrypoint: Command, place: Path) -> None:
    done = entrypoint.run(place, "chek")
    assert done.code in {126, 127}
    assert done.err.startswith("[entrypoint] cannot run chek: ")
    assert done.err.endswith("; did you mean check?\n")
    assert "did you mean" not in entrypoint.run(place, "exec", "chek").err


def test_the_version_is_printed(entrypoint: Command, place: Path) -> None:
    done = entrypoint.run(place, "--version")
    assert done.code == 0
    assert re.fullmatch(r"entrypoint, version \d+\.\d+\.\d+\S*\n", done.out)


def test_a_site_that_does_not_run_is_not_healthy(entrypoint: Command, place: Path, free_port: int) -> None:
    done = entrypoint.run(place, "health", PORT=f"127.0.0.1:{free_port}")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"cannot reach 127.0.0.1:{free_port}: ")


def test_health_prints_one_line_whatever_the_answer(entrypoint: Command, place: Path) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"a\n[entrypoint] b \x1b[31m")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        answering = threading.Thread(target=server.handle_request)
        answering.start()
        done = entrypoint.run(place, "health", PORT=f"127.0.0.1:{server.server_port}")
        answering.join()
    assert (done.code, done.out) == (0, "a\\n[entrypoint] b \\x1b[31m\n")
