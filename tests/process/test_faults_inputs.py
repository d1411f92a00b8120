"""Inputs that a boot cannot use: each ends with one line and the exit code of its kind, and none of them hangs it."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from deadline import PATIENCE
from listening import listening

from entrypoint.boot.settings.sources.textfile import LARGEST

if TYPE_CHECKING:
    import socket
    import threading
    from collections.abc import Callable, Iterator

    from conftest import Command, Project

SPECIAL = "it is not a regular file"
LARGE = "it is larger than 1 MiB"


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def large(path: Path) -> None:
    path.write_bytes(b"# " + b"x" * LARGEST)


class Case(NamedTuple):
    """`make` puts something at `file` in the project; `environ` and `line` may name {path} and {folder}, its own."""

    make: Callable[[Path], None]
    file: str
    environ: dict[str, str]
    line: str
    code: int = 78


def password(make: Callable[[Path], None], why: str) -> Case:
    environ = {"SUPERUSER_USERNAME": "admin", "SUPERUSER_PASSWORD_FILE": "{path}"}
    return Case(make, "password", environ, f"cannot read SUPERUSER_PASSWORD_FILE={{path}}: {why}")


def certificate(make: Callable[[Path], None], why: str) -> Case:
    environ = {"NGINX_TLS_CERTIFICATE": "{path}", "NGINX_TLS_KEY": "{path}"}
    return Case(make, "both.pem", environ, f"cannot read NGINX_TLS_CERTIFICATE={{path}}: {why}")


CASES = {
    "a password from a FIFO": password(fifo, SPECIAL),
    "a password from a device": password(device, SPECIAL),
    "a password that is too large": password(large, LARGE),
    "a secret from a FIFO": Case(
        fifo,
        "token",
        {"ENTRYPOINT_SECRETS": "API_TOKEN", "API_TOKEN_FILE": "{path}"},
        f"cannot read API_TOKEN_FILE={{path}}: {SPECIAL}",
    ),
    "pyproject.toml as a FIFO": Case(fifo, "pyproject.toml", {}, f"cannot read pyproject.toml: {SPECIAL}"),
    "entrypoint.toml as a device": Case(device, "entrypoint.toml", {}, f"cannot read entrypoint.toml: {SPECIAL}"),
    "entrypoint.toml that is too large": Case(large, "entrypoint.toml", {}, f"cannot read entrypoint.toml: {LARGE}"),
    "a Procfile as a FIFO": Case(fifo, "Procfile", {}, f"cannot read Procfile: {SPECIAL}"),
    "a template as a device": Case(
        device,
        "conf/nginx.conf.j2",
        {"ENTRYPOINT_CONF_DIR": "{folder}"},
        f"cannot read {{path}}: {SPECIAL}",
    ),
    "a certificate as a FIFO": certificate(fifo, SPECIAL),
    "a certificate as a device": certificate(device, SPECIAL),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_an_unreadable_input_ends_the_boot_with_one_line(
    entrypoint: Command, project: Project, free_port: int, case: Case
) -> None:
    path = project.root / case.file
    path.parent.mkdir(exist_ok=True)
    case.make(path)
    environ = {name: text.format(path=path, folder=path.parent) for name, text in case.environ.items()}
    done = entrypoint.run(project.root, PORT=f"127.0.0.1:{free_port}", **environ)
    said = [line for line in done.err.splitlines() if "cannot " in line]
    assert (done.code, said[0]) == (case.code, f"[entrypoint] {case.line.format(path=path)}")
    assert "Traceback" not in done.err
    assert not project.database.exists()


@pytest.mark.parametrize("name", ["10-a.sh", "10-a.envsh"])
def test_a_hook_that_cannot_run_is_reported_before_the_boot_changes_anything(
    entrypoint: Command, project: Project, place: Path, free_port: int, name: str
) -> None:
    (place / "hooks").mkdir()
    (place / "hooks" / name).write_bytes(b"true\r\n")
    done = entrypoint.run(project.root, PORT=f"127.0.0.1:{free_port}", ENTRYPOINT_HOOKS_DIR=str(place / "hooks"))
    assert done.code == 78
    assert len(done.err.splitlines()) == 1
    assert not (place / "run").exists()


def test_a_hook_in_python_may_have_either(entrypoint: Command, project: Project, place: Path) -> None:
    (place / "hooks").mkdir()
    (place / "hooks/10-a.py").write_bytes(b"\xef\xbb\xbfprint('it ran')\r\n")
    done = entrypoint.run(project.root, "prepare", "--only", "hooks", ENTRYPOINT_HOOKS_DIR=str(place / "hooks"))
    assert (done.code, "it ran" in done.err) == (0, True)


# ---- a lock that another process holds


WORDS = [("prepare",), ("exec", "--", "true")]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_a_lock_on_the_key_is_waited_for_until_the_deadline(
    entrypoint: Command, project: Project, words: tuple[str, ...]
) -> None:
    data = project.root / "data"
    environ = {"ENTRYPOINT_DATA_DIR": str(data), "ENTRYPOINT_WAIT_TIMEOUT": "300ms"}
    with locked(data / "secret_key"):
        done = entrypoint.run(project.root, *words, **environ)
    assert (done.code, done.err) == (
        75,
        (
            f"[entrypoint] cannot use {data}/secret_key: another process has kept it locked for 0.3 s; "
            "ENTRYPOINT_WAIT_TIMEOUT sets how long to wait\n"
        ),
    )


@pytest.mark.parametrize(("words", "code"), [*((words, 143) for words in WORDS), ((), 0)])
def test_a_stop_ends_the_wait_for_that_lock(
    entrypoint: Command, project: Project, until: Callable[..., None], words: tuple[str, ...], code: int
) -> None:
    data = project.root / "data"
    with locked(data / "secret_key"):
        running = entrypoint.start(project.root, *words, ENTRYPOINT_DATA_DIR=str(data))
        until(lambda: _has_open(running.process.pid, data / "secret_key"), "it to want the lock")
        assert running.stop(signal.SIGTERM)[0] == code
    assert running.err.endswith("stopped by SIGTERM\n")


def _has_open(pid: int, path: Path) -> bool:
    with suppress(OSError):
        return any(os.path.realpath(fd) == str(path) for fd in Path(f"/proc/{pid}/fd").iterdir())
    return False


def test_a_key_that_another_process_is_writing_is_taken_once_it_is_there(
    entrypoint: Command, project: Project, until: Callable[..., None]
) -> None:
    key = project.root / "data/secret_key"
    command = ("exec", "--", sys.executable, "-c", "import os, sys; sys.stderr.write(os.environ['SECRET_KEY'])")
    with key.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        running = entrypoint.start(project.root, *command, ENTRYPOINT_DATA_DIR=str(key.parent))
        until(lambda: _has_open(running.process.pid, key), "it to want the lock")
        held.write("a" * 64 + "\n")
    assert running.process.wait(PATIENCE) == 0
    assert running.err == "a" * 64


# ---- answers of a service during the wait


@contextmanager
def endless(first: bytes) -> Iterator[int]:
    """Listen, and answer with `first` and then with zeros, until the other side has enough."""

    def answer(connection: socket.socket, over: threading.Event) -> None:
        connection.settimeout(0.5)
        connection.sendall(first)
        while not over.is_set():
            connection.sendall(bytes(65536))

    with listening(answer) as port:
        yield port


@pytest.mark.parametrize(
    ("scheme", "first", "why"),
    [
        ("postgres", b"E\x7f\xff\xff\xff", "it does not speak the PostgreSQL protocol"),
        ("postgres", b"E\x00\x00\x00\x00", "it does not speak the PostgreSQL protocol"),
        ("mysql", b"\x00\x00\x00\x00\xff", "it is not ready"),
        ("mysql", b"\xff\xff\xff\x00\xff\x10\x04busy", "busy"),
        ("redis", b"-", "\\x00"),
        ("amqp", b"\x01\xff\xff\xff\xff\xff\xff", "it does not speak the AMQP protocol"),
        ("http", b"HTTP/1.0 503 ", "it does not speak HTTP: LineTooLong"),
    ],
)
def test_an_answer_without_end_is_not_read_to_its_end(
    entrypoint: Command, place: Path, scheme: str, first: bytes, why: str
) -> None:
    with endless(first) as port:
        target = f"{scheme}://127.0.0.1:{port}"
        environ = {"ENTRYPOINT_APP": "no:app", "ENTRYPOINT_WAIT_FOR": target, "ENTRYPOINT_WAIT_TIMEOUT": "1s"}
        done = entrypoint.run(place, "prepare", "--only", "wait", **environ)
    assert done.code == 75
    assert done.err.splitlines()[-1].startswith(f"[entrypoint] cannot reach {target} within 1 s: {why}")
