"""Measure what the metrics cost: each scrape, and each request whose status is counted. Print one table.

It boots the example in a temporary folder, and needs nginx and wrk on this machine; README.md says what is measured.
"""

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil
from table import Failed, carry_out, draw, machine, parser, positive, spread, write

ROOT = Path(__file__).resolve().parents[1]
COMMAND = Path(sys.executable).with_name("entrypoint")
PATIENCE = 60.0  # seconds
SCRAPES = 50
PAUSE = 1.05  # seconds between two scrapes: within a second, the figures of the programs are not measured again
CONNECTIONS = 16
STATIC = "/static/admin/css/base.css"

WITHOUT, WITH = "not counted", "counted"


@dataclass(frozen=True)
class Sample:
    """One measure of one round."""

    what: str
    run: int
    measure: str
    value: float


@dataclass(frozen=True)
class Site:
    """A running site."""

    process: psutil.Popen
    port: int

    def get(self, path: str) -> bytes:
        """Return the body of the answer."""
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE) as answer:
            return bytes(answer.read())

    def cpu_of_nginx(self) -> float:
        """Return the CPU time of nginx's processes, in seconds."""
        return sum(
            sum(each.cpu_times()[:2]) for each in self.process.children(recursive=True) if each.name() == "nginx"
        )


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


@contextmanager
def booted(folder: Path, workers: int, *, counted: bool) -> Iterator[Site]:
    """Boot the example; a second boot in the same folder finds the database and the static files."""
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "PORT": f"127.0.0.1:{port}",
        "ENTRYPOINT_RUN_DIR": str(folder / "run"),
        "ENTRYPOINT_USER": str(os.getuid()),
        "SECRET_KEY": "of-the-benchmark-alone-and-no-one-else",
        "DATA_DIR": str(folder / "data"),
        "STATIC_ROOT": str(folder / "static"),
        "WEB_CONCURRENCY": str(workers),
        "NGINX_ACCESS_LOG": "text",
        **({"ENTRYPOINT_METRICS_ALLOW": "192.0.2.1"} if counted else {}),
    }
    (folder / "data").mkdir(exist_ok=True)
    with (folder / "output").open("wb") as output:
        process = psutil.Popen(
            [str(COMMAND)], cwd=ROOT / "examples/django", env=environment, stdout=subprocess.DEVNULL, stderr=output
        )
    site = Site(process, port)
    try:
        end = time.monotonic() + PATIENCE
        while not ready(site):
            if process.poll() is not None or time.monotonic() > end:
                raise Failed(f"cannot boot the example: {(folder / 'output').read_text(errors='replace')}")
            time.sleep(0.05)
        yield site
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


def ready(site: Site) -> bool:
    """Return whether the site is ready."""
    with suppress(URLError, ConnectionError):
        return bool(site.get("/-/ready"))
    return False


def scrape(folder: Path, run: int, workers: int) -> Iterator[Sample]:
    """Yield the CPU time of process 1 and of nginx for one scrape, and the size of the answer."""
    with booted(folder, workers, counted=True) as site:
        what = f"a scrape, {workers} workers"
        size = len(site.get("/-/metrics"))  # the first one imports the modules
        own, nginx = sum(site.process.cpu_times()[:2]), site.cpu_of_nginx()
        for _ in range(SCRAPES):
            site.get("/-/metrics")
            time.sleep(PAUSE)
        own, nginx = sum(site.process.cpu_times()[:2]) - own, site.cpu_of_nginx() - nginx
        yield Sample(what, run, "CPU of supervisord (ms)", own / SCRAPES * 1e3)
        yield Sample(what, run, "CPU of nginx (ms)", nginx / SCRAPES * 1e3)
        yield Sample(what, run, "bytes", size)


def load(folder: Path, run: int, seconds: int) -> Iterator[Sample]:
    """Yield the answers a second and the CPU time of each, with and without the count of the statuses, in turns."""
    for what, counted in ((WITHOUT, False), (WITH, True)):
        with booted(folder, 1, counted=counted) as site:
            site.get(STATIC)
            before = site.cpu_of_nginx()
            done = subprocess.run(
                ["wrk", "--threads=1", f"--connections={CONNECTIONS}", f"--duration={seconds}s",
                 f"http://127.0.0.1:{site.port}{STATIC}"],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            )  # fmt: skip
            after = site.cpu_of_nginx()
            told = re.search(r"(\d+) requests in .*Requests/sec:\s+([\d.]+)", done.stdout, re.DOTALL)
            if not told or "Non-2xx" in done.stdout:
                raise Failed(f"cannot measure: wrk says\n{done.stdout}{done.stderr}")
            yield Sample(what, run, "static answers a second", float(told[2]))
            yield Sample(what, run, "CPU of nginx per answer (µs)", (after - before) / int(told[1]) * 1e6)


def bench(arguments: argparse.Namespace) -> None:
    """Measure, and print the table."""
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory(prefix="entrypoint-bench-") as name:
        folder = Path(name)
        for run in range(1, arguments.runs + 1):
            samples += load(folder, run, arguments.seconds)
        for workers in arguments.workers:
            samples += scrape(folder, 1, workers)
    rows = [("what", "measure", "value")]
    for what, measure in dict.fromkeys((each.what, each.measure) for each in samples):
        values = [each.value for each in samples if (each.what, each.measure) == (what, measure)]
        rows.append((what, measure, spread(values)))
    print(machine(), draw(rows), sep="\n\n")
    if arguments.json:
        write(arguments.json, [asdict(each) for each in samples])


def main() -> int:
    """Parse the command line and measure."""
    made = parser("Measure what the metrics cost.", 5)
    made.add_argument("--seconds", type=positive, default=5, help="of load (default: %(default)s)")
    made.add_argument("--workers", type=positive, nargs="*", default=[2, 8], help="of uWSGI (default: %(default)s)")
    return carry_out(bench, made.parse_args())


if __name__ == "__main__":
    sys.exit(main())
