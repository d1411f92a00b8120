"""The real command, booting a real project in a folder of its own on a free port of the loopback interface."""

import getpass
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Self

import psutil
import requests
from deadline import PATIENCE, until
from ports import free_port

COMMAND = str(Path(sys.executable).parent / "entrypoint")
EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "django"


class Site:
    """One boot of one project; a context that leaves no process behind."""

    def __init__(self, folder: Path, project: Path = EXAMPLE, **settings: str) -> None:
        self.folder = folder
        self.project = project
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        data = folder / "data"
        data.mkdir(exist_ok=True)
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONDONTWRITEBYTECODE": "1",
            "PORT": f"127.0.0.1:{self.port}",
            "ENTRYPOINT_USER": getpass.getuser(),
            "ENTRYPOINT_RUN_DIR": str(folder / "run"),
            "SECRET_KEY": "of-the-tests-alone-and-no-one-else",
            "DATA_DIR": str(data),
            "STATIC_ROOT": str(folder / "static"),
            "EXAMPLE_CRASH": "yes",
            **settings,
        }
        self._output = (folder / "output").open("ab")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process and self._process.poll() is None:
            first = psutil.Process(self._process.pid)
            first.suspend()  # otherwise it would restart the processes that are killed
            for member in [*first.children(recursive=True), first]:
                if alive(member):
                    member.kill()
            self._process.wait()
        self._output.close()

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run `entrypoint WORDS` beside the site, in its environment."""
        return subprocess.run(
            [COMMAND, *words],
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def start(self, extra: Mapping[str, str] | None = None, around: Sequence[str] = ()) -> "Site":
        """Start the command, with more settings, or by a command `around` it that becomes it."""
        self._process = subprocess.Popen(
            [*around, COMMAND],
            cwd=self.project,
            env={**self.environment, **(extra or {})},
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            start_new_session=True,
        )
        return self

    def ready(self) -> "Site":
        """Wait until nginx says that the site is ready, or without nginx until the ready file is there."""
        file = self.folder / "run/www/ready.json"
        by_file = self.environment.get("ENTRYPOINT_NGINX") == "off"
        until(
            lambda: self.code is not None or (file.exists() if by_file else self.status("/-/ready") == 200),
            "the site to be ready",
            instead=lambda: self.output,
        )
        assert self.code is None, self.output
        if by_file:
            done = self.command("health")
            assert (done.returncode, done.stdout) == (0, "ready\n"), done.stderr + self.output
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def code(self) -> int | None:
        assert self._process is not None
        return self._process.poll()

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text(errors="replace")

    @property
    def steps(self) -> list[str]:
        """The lines of the steps, which a dry run prints as well."""
        return step_lines(self.output)

    def status(self, path: str) -> int | None:
        """Return the status of a GET, None if nothing answers."""
        if path == "/-/ready" and self.url.startswith("http://127.0.0.1:"):  # asked often: it takes less CPU so
            with closing(HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
                try:
                    connection.request("GET", path)
                    return connection.getresponse().status
                except (ConnectionError, HTTPException):
                    return None
        try:
            return requests.get(self.url + path, timeout=PATIENCE).status_code
        except requests.ConnectionError:
            return None

    def phase(self) -> str | None:
        """Return what /-/ready says of the boot, None while nobody answers."""
        try:
            return str(requests.get(self.url + "/-/ready", timeout=PATIENCE).json()["phase"])
        except requests.ConnectionError:
            return None

    def programs(self, name: str) -> list[psutil.Process]:
        """Return the direct children of process 1 of the site that run this program."""
        found = []
        for child in psutil.Process(self.pid).children():
            with suppress(psutil.NoSuchProcess):  # a zombie does not count
                if child.name() == name and child.status() != psutil.STATUS_ZOMBIE:
                    found.append(child)
        return found

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children(recursive=True)

    def wait(self, seconds: float = PATIENCE) -> int:
        """Wait for the end; return the exit code as a shell has it."""
        until(lambda: self.code is not None, "the site to end", seconds)
        code = self.code or 0
        return 128 - code if code < 0 else code

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Ask for a stop; return the exit code and the seconds that it took."""
        began = time.monotonic()
        os.kill(self.pid, number)
        return self.wait(), time.monotonic() - began


def alive(process: psutil.Process) -> bool:
    """Whether a process still does something; an orphan whose new parent does not wait for it stays as a zombie."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


NewSite = Callable[..., Site]

LATE = {"ENTRYPOINT_STOP_TIMEOUT": "60s"}
"""Gives a stop the time for a request in flight, also on a busy machine."""

_HOLD = """

def hold(request):
    from pathlib import Path
    from time import sleep

    from django.http import HttpResponse

    Path({held!r}).touch()
    while not Path({released!r}).exists():
        sleep(0.01)
    return HttpResponse("held")


urlpatterns += [path("hold/", hold)]
"""


def holding(held: str, released: str) -> str:
    """Return pages/urls.py of the example with /hold/: it makes the file `held` and ends when `released` is there."""
    return (EXAMPLE / "pages" / "urls.py").read_text() + _HOLD.format(held=held, released=released)


def hold_requests(project: Path) -> dict[str, str]:
    """Add the path /hold/ to a copy of the example; return the setting that gives a stop the time for it."""
    urls = holding(str(project / "held"), str(project / "released"))
    (project / "pages" / "urls.py").write_text(urls)
    return LATE


def stop_with_a_request_in_flight(site: Site, number: signal.Signals = signal.SIGTERM) -> tuple[int, list[int]]:
    """Stop a site whose project holds requests, while it answers one.

    The request is released when nobody takes new ones any more, or without nginx when the stop has begun. Return the
    exit code and the status of the answer. No process of the site is left.
    """
    answers: list[int] = []
    client = threading.Thread(
        target=lambda: answers.append(requests.get(f"{site.url}/hold/", timeout=PATIENCE).status_code)
    )
    family = site.family()
    nginx = site.programs("nginx")
    client.start()
    until((site.project / "held").exists, "the request", instead=lambda: site.output)
    os.kill(site.pid, number)
    until(lambda: f"received {number.name}" in site.output, "the stop", instead=lambda: site.output)
    if nginx:
        until(lambda: not listens(site.port), "the end of new connections", instead=lambda: site.output)
    (site.project / "released").touch()
    code = site.wait()
    client.join()
    assert not [member for member in family if alive(member)]
    return code, answers


def listens(port: int) -> bool:
    """Return whether anybody listens on this port of 127.0.0.1."""
    sockets = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return any(words[1] == f"0100007F:{port:04X}" and words[3] == "0A" for words in sockets)


def copy_example(to: Path) -> Path:
    """Copy the example project, as git has it, to break it; return the copy."""
    ignore = shutil.ignore_patterns("data", "static_root", "__pycache__")
    return Path(shutil.copytree(EXAMPLE, to, ignore=ignore))


def quick_hashing(folder: Path) -> dict[str, str]:
    """Return what lets the example hash passwords at once: its own hashing takes as long as all else of a boot."""
    (folder / "quick_hashing.py").write_text(
        'from config.settings import *\nPASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]\n'
    )
    return {"DJANGO_SETTINGS_MODULE": "quick_hashing", "PYTHONPATH": str(folder)}


def step_lines(output: str) -> list[str]:
    prefix = "[entrypoint] "
    lines = (line.removeprefix(prefix) for line in output.splitlines() if line.startswith(prefix))
    return [line for line in lines if line.split(".")[0].isdigit()]
