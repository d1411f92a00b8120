"""Measure what the metrics cost: each scrape, and each request whose status is counted. Print one table.

It boots the example in a temporary folder, and needs nginx and wrk on this machine; README.md says what is measured.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import example_site
import wrk
from example_site import Site
from table import carry_out, draw, machine, parser, positive, spread, write

SCRAPES = 50
PAUSE = 1.05  # seconds between two scrapes: within a second, the figures of the programs are not measured again
STATIC = "/static/admin/css/base.css"

WITHOUT, WITH = "not counted", "counted"


@dataclass(frozen=True)
class Sample:
    """One measure of one round."""

    what: str
    run: int
    measure: str
    value: float


@contextmanager
def booted(folder: Path, workers: int, *, counted: bool) -> Iterator[Site]:
    """Boot the example, with the counting of statuses or without."""
    allow = {"ENTRYPOINT_METRICS_ALLOW": "192.0.2.1"} if counted else {}
    with example_site.booted(folder, WEB_CONCURRENCY=str(workers), NGINX_ACCESS_LOG="text", **allow) as site:
        yield site


def cpu_of_nginx(site: Site) -> float:
    """Return the CPU time of nginx's processes, in seconds."""
    return sum(sum(each.cpu_times()[:2]) for each in site.process.children(recursive=True) if each.name() == "nginx")


def scrape(folder: Path, run: int, workers: int) -> Iterator[Sample]:
    """Yield the CPU time of process 1 and of nginx for one scrape, and the size of the answer."""
    with booted(folder, workers, counted=True) as site:
        what = f"a scrape, {workers} workers"
        size = len(site.get("/-/metrics"))  # the first one imports the modules
        own, nginx = sum(site.process.cpu_times()[:2]), cpu_of_nginx(site)
        for _ in range(SCRAPES):
            site.get("/-/metrics")
            time.sleep(PAUSE)
        own, nginx = sum(site.process.cpu_times()[:2]) - own, cpu_of_nginx(site) - nginx
        yield Sample(what, run, "CPU of supervisord (ms)", own / SCRAPES * 1e3)
        yield Sample(what, run, "CPU of nginx (ms)", nginx / SCRAPES * 1e3)
        yield Sample(what, run, "bytes", size)


def load(folder: Path, run: int, seconds: int) -> Iterator[Sample]:
    """Yield the answers a second and the CPU time of each, with and without the count of the statuses, in turn."""
    for what, counted in ((WITHOUT, False), (WITH, True)):
        with booted(folder, 1, counted=counted) as site:
            site.get(STATIC)
            before = cpu_of_nginx(site)
            told = wrk.load(f"http://127.0.0.1:{site.port}{STATIC}", seconds)
            after = cpu_of_nginx(site)
            yield Sample(what, run, "static answers a second", told.rate)
            yield Sample(what, run, "CPU of nginx per answer (µs)", (after - before) / told.answers * 1e6)


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
