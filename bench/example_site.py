"""The example project, booted on this machine without a container."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
from table import Failed

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "django"
COMMAND = str(Path(sys.executable).with_name("entrypoint"))
PATIENCE = 60.0  # seconds


@dataclass(frozen=True)
class Site:
    """A running site."""

    process: psutil.Popen
    port: int

    def get(self, path: str) -> bytes:
        """Return the body of the answer."""
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE) as answer:
            return bytes(answer.read())


def free_port() -> int:
    """Return a port of the loopback interface that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def environment(folder: Path, port: int, **settings: str) -> dict[str, str]:
    """Return the environment of a site whose files are in `folder`."""
    (folder / "data").mkdir(exist_ok=True)
    return {
        "PATH": os.environ["PATH"],
        "PORT": f"127.0.0.1:{port}",
        "ENTRYPOINT_USER": str(os.geteuid()),
        "ENTRYPOINT_RUN_DIR": str(folder / "run"),
        "SECRET_KEY": "of-the-benchmark-alone-and-no-one-else",
        "DATA_DIR": str(folder / "data"),
        "STATIC_ROOT": str(folder / "static"),
        **settings,
    }


@contextmanager
def booted(folder: Path, command: str = COMMAND, ready: str = "/-/ready", **settings: str) -> Iterator[Site]:
    """Boot the example; yield it once `ready` answers 200, and stop it at the end.

    A second boot in the same folder finds the database and the static files.
    """
    port = free_port()
    surroundings = environment(folder, port, **settings)
    with (folder / "output").open("wb") as output:
        process = psutil.Popen(
            [command], cwd=EXAMPLE, env=surroundings, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    site = Site(process, port)
    try:
        end = time.monotonic() + PATIENCE
        while not answers(site, ready):
            if process.poll() is not None or time.monotonic() > end:
                raise Failed(f"cannot boot the example: {(folder / 'output').read_text(errors='replace')}")
            time.sleep(0.05)
        yield site
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


def answers(site: Site, path: str) -> bool:
    """Return whether the site answers with 200."""
    try:
        site.get(path)
    except (HTTPError, OSError):
        return False
    return True
