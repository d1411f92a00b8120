"""The compared images and their containers: build, boot, request, inspect, stop and remove."""

import io
import itertools
import os
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from table import Failed

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
PROJECT = ROOT / "examples" / "django"

PYTHON_IMAGE = "python:3.13-slim-bookworm"
ENVIRONMENT = {
    "SECRET_KEY": "of-the-benchmark-alone",
    "WEB_CONCURRENCY": "2",
    "DJANGO_SUPERUSER_USERNAME": "bench",
    "DJANGO_SUPERUSER_EMAIL": "bench@example.com",
    "DJANGO_SUPERUSER_PASSWORD": "bench-password",
}
DATA = "/srv/project/data"
REQUEST = b"GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"

# Seconds.
INTERVAL = 0.002  # between two requests until the first 200
PATIENCE = 60.0  # for the first 200
LOOK = 5.0  # between two checks that a container still runs: each check costs it CPU time
REST = 2.0  # after the first 200: then memory is read and the stop begins


@dataclass(frozen=True)
class Image:
    """One of the compared images."""

    name: str
    peer: str | None  # its folder in peers/; None is the example image of this repository
    prepare: str | None = None  # the shell command that prepares its database, if its boot does not

    @property
    def tag(self) -> str:
        """Return the image's name."""
        return f"entrypoint-bench-{self.name}"


IMAGES = (
    Image("ours", None),
    Image("usual", "usual"),
    Image("listener", "listener"),
    Image("whitenoise", "whitenoise"),
    Image("bare", "bare-uwsgi", prepare="python manage.py migrate --noinput && chown -R www-data:www-data data"),
)


def docker(*arguments: str, purpose: str) -> str:
    """Return the output of a docker command; `purpose` completes the error message `cannot …`."""
    # In a session of its own, so that Ctrl-C does not reach it: an interrupted `docker run` would leave a container.
    process = subprocess.Popen(
        ["docker", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, complaint = process.communicate()
    except BaseException:
        process.wait()
        raise
    if process.returncode:
        raise Failed(f"cannot {purpose}: {last_line(complaint)}")
    return output.strip()


def last_line(text: str) -> str:
    """Return the last line that is not empty."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "docker does not say why")


def engine() -> str:
    """Return the version of the Docker Engine."""
    try:
        return docker("version", "--format", "{{.Server.Version}}", purpose="reach a Docker Engine")
    except FileNotFoundError:
        raise Failed("cannot reach a Docker Engine: the command docker is not there") from None


def context(peer: str) -> bytes:
    """Return a peer's build context as a tar file: its folder, and the example project as project/."""

    def clean(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        made_at_run_time = {"__pycache__", "static_root", "db.sqlite3", "media"} & set(Path(member.name).parts)
        return None if made_at_run_time else member

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(BENCH / "peers" / peer, arcname=".", filter=clean)
        tar.add(PROJECT, arcname="project", filter=clean)
    return buffer.getvalue()


def build(image: Image, python_image: str) -> None:
    """Build an image; its RUN steps use the network of this machine."""
    print(f"building {image.tag}", file=sys.stderr)
    options = ["--network=host", "--quiet", "--build-arg", f"PYTHON_IMAGE={python_image}", "--tag", image.tag]
    source = ["-"] if image.peer else ["--file", str(ROOT / "Dockerfile.example"), str(ROOT)]
    done = subprocess.run(
        ["docker", "build", *options, *source],
        input=context(image.peer) if image.peer else b"",
        capture_output=True,
        check=False,
    )
    if done.returncode:
        sys.stderr.buffer.write(done.stdout + done.stderr)
        raise Failed(f"cannot build {image.tag}: its output is above")


numbers = itertools.count(1)


def new_name(what: str) -> str:
    """Return a unique name for a container or a volume."""
    return f"entrypoint-bench-{os.getpid()}-{what}-{next(numbers)}"


@contextmanager
def volume() -> Iterator[str]:
    """Create a volume; remove it at the end."""
    name = new_name("data")
    try:
        docker("volume", "create", name, purpose="create a volume")
        yield name
    finally:
        docker("volume", "rm", "--force", name, purpose=f"remove the volume {name}")


def environment() -> list[str]:
    """Return the options of `docker run` for the common environment."""
    return [f"--env={name}={value}" for name, value in ENVIRONMENT.items()]


def options(data: str) -> list[str]:
    """Return the common options of `docker run`: the volume and the environment."""
    return [f"--volume={data}:{DATA}", *environment()]


@dataclass(frozen=True)
class Booted:
    """A container that has sent its first 200."""

    name: str
    seconds: float  # from before `docker run` to the first 200


@contextmanager
def running(image: Image, arguments: Sequence[str]) -> Iterator[str]:
    """Run a container; yield its name, and remove it at the end."""
    name = new_name(image.name)
    try:
        docker("run", "--detach", f"--name={name}", *arguments, image.tag, purpose=f"run {image.tag}")
        yield name
    finally:
        docker("rm", "--force", "--volumes", name, purpose=f"remove the container {name}")


@contextmanager
def booted(image: Image, data: str) -> Iterator[Booted]:
    """Run a container and wait for its first 200; remove it at the end."""
    [port] = free_ports()
    began = time.perf_counter()
    with running(image, [f"--publish=127.0.0.1:{port}:80", *options(data)]) as name:
        # No request before `docker run` returns, although the clock starts before it: Docker's proxy accepts
        # connections before the container's interface is up, and the first unanswered ARP request blocks the address
        # for the kernel's retry time (arp(7), retrans_time). That would add a second to each image.
        yield Booted(name, first_200(name, port, began))


def free_ports(count: int = 1) -> list[int]:
    """Return free ports."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def first_200(name: str, port: int, began: float, patience: float = PATIENCE) -> float:
    """Send requests until the status is 200; return the seconds since `began`."""
    look = began + LOOK
    while status(port) != b"200":
        now = time.perf_counter()
        if now > began + patience:
            raise Failed(f"cannot measure {name}: no 200 within {patience:g} s\n{last_words(name)}")
        if now > look:
            look = now + LOOK
            if inspect(name, "{{.State.Running}}") != "true":
                raise Failed(f"cannot measure {name}: it ended before it answered\n{last_words(name)}")
        time.sleep(INTERVAL)
    return time.perf_counter() - began


def status(port: int) -> bytes | None:
    """Send one request; return the status, None if the connection is refused, reset or closed."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(REQUEST)
        return next(iter(connection.recv(64).split()[1:2]), None)
    return None


def inspect(name: str, template: str) -> str:
    """Return one value of `docker inspect`."""
    return docker("inspect", "--format", template, name, purpose=f"inspect {name}")


def last_words(name: str) -> str:
    """Return the end of a container's log."""
    done = subprocess.run(["docker", "logs", "--tail=20", name], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def memory(name: str) -> int | None:
    """Return the PSS of all processes of a container in bytes, None where the kernel denies access to it."""
    pids = docker("top", name, "-eo", "pid", purpose=f"list the processes of {name}").split()[1:]
    total = 0
    for pid in pids:
        try:
            rollup = Path("/proc", pid, "smaps_rollup").read_text(encoding="ascii")
        except (PermissionError, FileNotFoundError):
            return None
        total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) * 1024
    return total


def stop(name: str) -> float:
    """Return the seconds that `docker stop` takes, with its default timeout of 10 s."""
    began = time.perf_counter()
    docker("stop", name, purpose=f"stop {name}")
    return time.perf_counter() - began


def fresh_boot(image: Image, data: str) -> float | None:
    """Return the seconds of a boot on an empty database, None for an image that needs a prepared one."""
    if image.prepare:
        arguments = ["--rm", *options(data), "--entrypoint=sh", image.tag, "-c", image.prepare]
        docker("run", *arguments, purpose=f"prepare the database of {image.name}")
        return None
    with booted(image, data) as container:
        stop(container.name)
        return container.seconds


def python_of(image: Image) -> str:
    """Return the version of the Python in an image."""
    arguments = ["--rm", "--entrypoint=python3", image.tag, "--version"]
    return docker("run", *arguments, purpose=f"ask {image.name} for its Python")
