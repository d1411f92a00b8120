"""Measure the first answer, small commands, many programs and many containers, and print one table with the goals.

It needs the docker command, a Docker Engine on this machine, and PostgreSQL; README.md says what is measured.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

import inside
from containers import (
    BENCH,
    IMAGES,
    INTERVAL,
    PATIENCE,
    PYTHON_IMAGE,
    ROOT,
    Image,
    build,
    docker,
    engine,
    environment,
    first_200,
    free_ports,
    inspect,
    new_name,
    python_of,
    running,
    status,
)
from table import NOTHING, Failed, carry_out, draw, machine, parser, spread, write

sys.path.insert(0, str(ROOT / "tests"))  # for the modules that start a database
from postgres_server import Postgres

OURS = IMAGES[0]
CONTAINERS = 20
SINGLES = 3  # boots of one container in each run: their median is the base of the comparison


@dataclass(frozen=True)
class Row:
    """A measure: its heading, its unit and its goal, an upper bound."""

    heading: str
    unit: str = " ms"
    digits: int = 0
    goal: float | None = None


FIRST = Row("first answer, from the start of process 1", goal=150)
FIRST_OF_OURS = Row("first answer, from when Docker says it runs")
AGENT = Row("until only the agent is waited for", goal=90)
COMMANDS = {
    "python -S -c pass": Row("python -S -c pass"),
    "python -c pass": Row("python -c pass"),
    "entrypoint --help": Row("entrypoint --help", goal=60),
    "entrypoint --dry-run": Row("entrypoint --dry-run, without Django", goal=90),
    "agent": AGENT,
}
READY = {count: Row(f"{count} programs ready", " s", 2) for count in inside.PROGRAMS}
FEW = min(READY)
GROWTH = {count: Row(f"each further program, of {count}", " ms", 1, goal=4) for count in READY if count > FEW}
ONE, ALL = Row("one warm container", " s", 2), Row(f"{CONTAINERS} warm containers at once", " s", 2)
SHARE = Row(f"{CONTAINERS} at once / {CONTAINERS} times one", "", 2, goal=0.75)
ROWS = (FIRST, FIRST_OF_OURS, *COMMANDS.values(), *READY.values(), *GROWTH.values(), ONE, ALL, SHARE)

Values = Iterator[tuple[Row, float]]
Samples = Mapping[str, Sequence[float]]


def on_the_host(port: int, *more: str) -> list[str]:
    """Return the options of a container that listens on the host's own loopback."""
    # No published port and no bridge, so neither Docker's proxy nor ARP delays a response.
    return ["--network=host", f"--env=PORT=127.0.0.1:{port}", *environment(), *more]


def answered(port: int) -> float:
    """Send requests until the first response of any status; return its time in seconds since the epoch."""
    deadline = time.monotonic() + PATIENCE
    while not status(port):
        if time.monotonic() > deadline:
            raise Failed(f"cannot measure the first answer: none within {PATIENCE:g} s")
        time.sleep(INTERVAL)
    return time.time()


def began(pid: int) -> float:
    """Return the start of a process in seconds since the epoch, rounded down to a hundredth; see proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.time() - age


def first_answer(image: Image) -> Values:
    """Run a container; send requests from before it exists until the starting page responds."""
    [port] = free_ports()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(answered, port)
        with running(image, on_the_host(port)) as name:
            at = answer.result()
            pid, started = inspect(name, "{{.State.Pid}} {{.State.StartedAt}}").split()
            yield FIRST, 1e3 * (at - began(int(pid)))
            yield FIRST_OF_OURS, 1e3 * (at - datetime.fromisoformat(started).timestamp())


def in_a_container(image: Image) -> Values:
    """Run inside.py in a container."""
    name = new_name(image.name)
    command = ["docker", "run", f"--name={name}", "--interactive", "--init", "--entrypoint=python3", image.tag, "-"]
    try:
        with (BENCH / "inside.py").open("rb") as script:
            done = subprocess.run(command, stdin=script, capture_output=True, text=True, check=False)
    finally:
        docker("rm", "--force", "--volumes", name, purpose=f"remove the container {name}")
    if done.returncode:
        raise Failed(f"cannot measure inside of {image.tag}: {done.stderr.strip()}")
    seconds: dict[str, list[float]] = json.loads(done.stdout)
    for what, row in COMMANDS.items():
        yield from ((row, 1e3 * value) for value in seconds[what])
    ready = {count: seconds[f"{count} programs"][0] for count in READY}
    yield from ((READY[count], value) for count, value in ready.items())
    for count, row in GROWTH.items():
        yield row, 1e3 * (ready[count] - ready[FEW]) / (count - FEW)


def until_ready(image: Image, database: str, count: int) -> float:
    """Run several containers at once; return the seconds until all have responded with 200."""
    new = dict(zip((new_name(image.name) for _ in range(count)), free_ports(count), strict=True))

    def run(name: str, port: int) -> None:
        arguments = ["--detach", f"--name={name}", *on_the_host(port, f"--env=DATABASE_URL={database}")]
        docker("run", *arguments, image.tag, purpose=f"run {image.tag}")

    try:
        start = time.perf_counter()
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(run, new.keys(), new.values()))
        # One after the other: a container that is ready responds at once, and the others are not disturbed.
        return max(first_200(name, port, start, PATIENCE * count) for name, port in new.items())
    finally:
        docker("rm", "--force", "--volumes", *new, purpose="remove the containers")


def at_once(image: Image, database: str) -> Values:
    """Boot one container, and many at once, on a prepared database."""
    one = median(until_ready(image, database, 1) for _ in range(SINGLES))
    every = until_ready(image, database, CONTAINERS)
    yield from ((ONE, one), (ALL, every), (SHARE, every / (CONTAINERS * one)))


def measure_all(image: Image, database: str, runs: int) -> Samples:
    """Measure everything in turn; run 0 warms the page cache and does not count."""
    samples: dict[str, list[float]] = {}
    for run in range(runs + 1):
        print(f"run {run} of {runs}   ", end="\r", file=sys.stderr, flush=True)
        for row, value in (*first_answer(image), *in_a_container(image), *at_once(image, database)):
            if run:
                samples.setdefault(row.heading, []).append(value)
    print(" " * 40, end="\r", file=sys.stderr, flush=True)
    return samples


def missed(row: Row, samples: Samples) -> bool:
    """Return whether the median exceeds the goal."""
    values = samples.get(row.heading, ())
    return bool(values) and row.goal is not None and median(values) > row.goal


def rows(samples: Samples) -> list[list[str]]:
    """Return the heading and a row for each measure."""
    table = [["", "goal", "measured"]]
    for row in ROWS:
        goal = NOTHING if row.goal is None else f"{row.goal:.{row.digits}f}{row.unit}"
        table.append([row.heading, goal, spread(samples.get(row.heading, ()), row.digits, row.unit)])
    return table


def bench(options: argparse.Namespace) -> None:
    """Build, measure, print."""
    where = f"{machine()}, Docker {engine()}"
    build(OURS, options.python_image)
    python = python_of(OURS)
    with Postgres() as server:
        server.start()
        database = server.new_database()
        until_ready(OURS, database, 1)  # which prepares it
        samples = measure_all(OURS, database, options.runs)
    print(draw(rows(samples)))
    print(f"\nMedian (min to max), runs: {options.runs}. {where}; {python} in the image.")
    if names := [row.heading for row in ROWS if missed(row, samples)]:
        print(f"Goals missed: {'; '.join(names)}.")
    if options.json:
        write(options.json, {"machine": where, "python": python, "samples": samples})


def arguments() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    made = parser("First answer, small commands, many programs and many containers of the example image.", runs=7)
    made.add_argument("--python-image", default=PYTHON_IMAGE, help="what it is built from (default: %(default)s)")
    return made


if __name__ == "__main__":
    sys.exit(carry_out(bench, arguments().parse_args()))
