"""Containers of a real Docker Engine, by its own command line."""

import fcntl
import functools
import hashlib
import http.client
import json
import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import requests
from deadline import PATIENCE, until
from leftovers import name_in_engine

ROOT = Path(__file__).resolve().parent.parent
BOOT = 120.0  # seconds in which a boot is certainly done


def docker(*words: str, check: bool = True, timeout: float = 600) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        ["docker", *words], capture_output=True, text=True, timeout=timeout, check=False, env=_environment()
    )
    if check and done.returncode != 0:
        raise AssertionError(f"docker {' '.join(words)}: {done.returncode}: {done.stderr or done.stdout}")
    return done


def output_of(*words: str, streams: Sequence[str] = ("stdout",)) -> "subprocess.CompletedProcess[str]":
    """`docker run --rm` of what writes to `streams`; return what it wrote.

    An engine that does not read a container's output within 2 s of its end drops it and passes the exit code on: see
    handleContainerExit in moby's daemon/monitor.go. Where a stream is empty, the container is run again.
    """

    def run() -> "subprocess.CompletedProcess[str] | None":
        done = docker("run", "--rm", *words)
        return done if all(getattr(done, stream) for stream in streams) else None

    return until(run, f"{' and '.join(streams)} of {' '.join(words)}")


@functools.cache
def missing_engine() -> str:
    """Return why there is no Docker Engine; nothing where there is one."""
    try:
        done = docker("info", check=False)
    except FileNotFoundError:
        return "docker is not installed"
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["docker info failed"])[-1]


@functools.cache
def _environment() -> dict[str, str]:
    """Return the environment for docker: a client without the buildx plugin has the classic builder alone."""
    buildx = subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False)
    return {**os.environ, **({} if buildx.returncode == 0 else {"DOCKER_BUILDKIT": "0"})}


@functools.cache
def example_image(python: str, target: str = "example") -> str:
    """Build the example's image, or its base, on a Python; return its tag. Layers that did not change are reused.

    A working copy has tags of its own, and one build at a time: the second one finds all layers of the first.
    """
    file = ROOT / "Dockerfile.example"
    tag = f"entrypoint-tests-{target}:{python}-{hashlib.sha256(bytes(ROOT)).hexdigest()[:12]}"
    with file.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        docker(
            "build", "--network=host", "-f", str(file), "--target", target,
            "--build-arg", f"PYTHON_IMAGE=python:{python}-slim-bookworm", "-t", tag, str(ROOT),
        )  # fmt: skip
    return tag


class Container:
    """A running container."""

    def __init__(self, name: str) -> None:
        self.name = name

    @functools.cached_property
    def _port(self) -> str:
        def published() -> str | None:
            """Return the lines of `docker port`, which are empty before the container has begun and after its end."""
            lines = docker("port", self.name, check=False).stdout
            if not lines and not self.state["Running"]:
                raise requests.ConnectionError(f"{self.name} has ended")
            return lines or None

        return until(published, "the published port").split("\n")[0].rpartition(":")[2]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def logs(self) -> str:
        done = docker("logs", self.name)
        return done.stdout + done.stderr

    @property
    def state(self) -> Any:
        return json.loads(docker("inspect", "-f", "{{json .State}}", self.name).stdout)

    def address(self, network: str) -> str:
        """Return its address in a network."""
        form = f'{{{{(index .NetworkSettings.Networks "{network}").IPAddress}}}}'
        return docker("inspect", "-f", form, self.name).stdout.strip()

    def connect(self, network: str) -> "Container":
        docker("network", "connect", network, self.name)
        return self

    def exec(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return docker("exec", self.name, *words, check=False)

    def status(self, path: str) -> int | None:
        """Return the status of a GET, None where nothing answers."""
        try:
            return requests.get(self.url + path, timeout=PATIENCE).status_code
        except (requests.ConnectionError, http.client.HTTPException):
            return None

    def booted(self) -> bool:
        """Wait until it is ready, or has ended; return whether it is ready."""

        def over() -> int | None:
            status = self.status("/-/ready")
            if status is None and not self.state["Running"]:  # a call of docker takes more CPU than a request
                return 1
            return status if status == 200 else None

        return until(over, "the boot to be over", BOOT) == 200

    def ready(self) -> "Container":
        assert self.booted(), self.logs
        return self

    def wait(self) -> int:
        """Wait for the end by itself; return the exit code."""
        return int(docker("wait", self.name, timeout=BOOT).stdout)

    def stop(self) -> tuple[int, float]:
        """`docker stop`; return the exit code, 137 if it had to kill, and the seconds that it took.

        A busy machine may need more than Docker's 10 s, although supervisord gives up after 8.
        """
        began = time.monotonic()
        docker("stop", "--time", f"{PATIENCE:.0f}", self.name)
        return self.state["ExitCode"], time.monotonic() - began

    def start(self) -> "Container":
        self.__dict__.pop("_port", None)  # Docker chooses another one
        docker("start", self.name)
        return self


def log_in(container: Container) -> str:
    """Post the login form; return the page that follows."""
    with requests.Session() as session:
        page = session.get(f"{container.url}/admin/login/", timeout=PATIENCE)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token
        form = {"username": "admin", "password": "correct-horse", "csrfmiddlewaretoken": token[1]}
        return session.post(f"{container.url}/admin/login/?next=/admin/", data=form, timeout=PATIENCE).text


class Engine:
    """What one test makes in the engine; a context that removes it."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(
        self, image: str, settings: Mapping[str, str], *, options: tuple[str, ...] = (), port: int = 80
    ) -> Container:
        """`docker run -d`, with each setting as a variable and the port published on the loopback interface."""
        name = name_in_engine()
        self._stack.callback(docker, "rm", "-f", "-v", name, check=False)
        variables = [word for key, value in settings.items() for word in ("-e", f"{key}={value}")]
        docker("run", "-d", "--name", name, "-p", f"127.0.0.1::{port}", *options, *variables, image)
        return Container(name)

    def build(self, folder: Path, *options: str) -> str:
        tag = name_in_engine()
        docker("build", *options, "-t", tag, str(folder))
        self._stack.callback(docker, "rmi", "-f", tag, check=False)
        return tag

    def network(self) -> tuple[str, str]:
        """Make a network of its own; return its name and the address of this machine in it."""
        name = name_in_engine()
        docker("network", "create", name)
        self._stack.callback(docker, "network", "rm", name, check=False)
        return name, docker("network", "inspect", name, "-f", "{{(index .IPAM.Config 0).Gateway}}").stdout.strip()
