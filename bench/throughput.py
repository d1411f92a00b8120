"""Load the example image, and images written by hand, as much as they can take, in turn; print one table.

It needs wrk, the docker command and a Docker Engine on this machine; README.md says what is measured.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import containers
import wrk
from containers import Image
from table import carry_out, chart, draw, machine, parser, positive, spread, with_picture, write, write_text

BEST = Image("best", "best", prepare="python manage.py migrate --noinput && chown -R www-data:www-data data")
IMAGES = (*(image for image in containers.IMAGES if image.name in ("ours", "usual")), BEST)
PAGES = {
    "static": "/static/admin/css/base.css",  # 22 KB
    "dynamic": "/request/",  # JSON from a Django view, with all middleware and without the database
}


@dataclass(frozen=True)
class Measure:
    """A measure and the format of its numbers."""

    name: str
    unit: str = ""
    digits: int = 0
    scale: float = 1.0


RATE = "answers a second"
P50, P99 = "50 % within", "99 % within"
COST = "CPU per answer"
FRESH, USED = Measure("memory before the load", " MB", 1, 1e-6), Measure("memory after the load", " MB", 1, 1e-6)
MEASURES = (
    *(Measure(f"{page}: {RATE}") for page in PAGES),
    *(Measure(f"{page}: {part}", " ms", 1, 1e3) for page in PAGES for part in (P50, P99)),
    *(Measure(f"{page}: {COST}", " µs", 0, 1e6) for page in PAGES),
    FRESH,
    USED,
)


@dataclass(frozen=True)
class Sample:
    """One measure of one image in one round. Times in seconds, memory in bytes."""

    image: str
    run: int
    measure: str
    value: float


@dataclass(frozen=True)
class Endpoint:
    """A running container: its address, and the file with its CPU time."""

    image: str
    name: str
    address: str
    usage: Path

    def cpu(self) -> float | None:
        """Return its CPU time in seconds, None where its control group does not report it."""
        try:
            text = self.usage.read_text(encoding="ascii")
        except OSError:
            return None
        if text.strip().isdigit():  # control groups v1
            return int(text) * 1e-9
        return next(int(line.split()[1]) * 1e-6 for line in text.splitlines() if line.startswith("usage_usec "))


def target(image: Image, name: str) -> Endpoint:
    """Return a container at its own address: a published port may go through Docker's proxy."""
    address, identity = containers.inspect(name, "{{.NetworkSettings.IPAddress}} {{.Id}}").split()
    v1 = Path("/sys/fs/cgroup/cpuacct/docker", identity, "cpuacct.usage")
    v2 = Path(f"/sys/fs/cgroup/system.slice/docker-{identity}.scope/cpu.stat")
    return Endpoint(image.name, name, address, v1 if v1.exists() else v2)


def load(to: Endpoint, page: str, run: int, seconds: int) -> Iterator[Sample]:
    """Request one page over persistent connections for some seconds; yield the samples."""
    before = to.cpu()
    # Django's ALLOWED_HOSTS has this name, not the container's address.
    told = wrk.load(f"http://{to.address}{PAGES[page]}", seconds, "Host: 127.0.0.1")
    after = to.cpu()
    yield Sample(to.image, run, f"{page}: {RATE}", told.rate)
    yield Sample(to.image, run, f"{page}: {P50}", told.half)
    yield Sample(to.image, run, f"{page}: {P99}", told.most)
    if before is not None and after is not None:
        yield Sample(to.image, run, f"{page}: {COST}", (after - before) / told.answers)


def memory(of: Endpoint, measure: Measure) -> Iterator[Sample]:
    """Yield the memory of a container at rest, nothing where access to it is denied."""
    time.sleep(containers.REST)
    pss = containers.memory(of.name)
    if pss is not None:
        yield Sample(of.image, 1, measure.name, pss)


def measure_all(images: Sequence[Image], rounds: int, seconds: int) -> list[Sample]:
    """Boot a container of each image and load them in turn; round 0 warms them and does not count."""
    samples: list[Sample] = []
    with ExitStack() as stack:
        targets = []
        for image in images:
            data = stack.enter_context(containers.volume())
            containers.fresh_boot(image, data)
            targets.append(target(image, stack.enter_context(containers.booted(image, data)).name))
        for each in targets:
            samples += memory(each, FRESH)
        for run in range(rounds + 1):
            first = run % len(targets)  # another one is first in each round
            for page in PAGES:
                for each in targets[first:] + targets[:first]:
                    print(f"round {run} of {rounds}: {page}, {each.image}   ", end="\r", file=sys.stderr, flush=True)
                    samples += load(each, page, run, seconds)
        print(" " * 50, end="\r", file=sys.stderr, flush=True)
        for each in targets:
            samples += memory(each, USED)
    return [sample for sample in samples if sample.run > 0]


def values(samples: Sequence[Sample], image: str, measure: Measure) -> dict[int, float]:
    """Return the values of an image, by round."""
    own = (sample for sample in samples if (sample.image, sample.measure) == (image, measure.name))
    return {sample.run: sample.value * measure.scale for sample in own}


def ratios(samples: Sequence[Sample], image: str, peer: str, measure: Measure) -> list[float]:
    """Return the ratio image / peer for each round: a machine that slows down slows both."""
    ours, theirs = values(samples, image, measure), values(samples, peer, measure)
    return [ours[run] / theirs[run] for run in ours if theirs.get(run)]


def rows(samples: Sequence[Sample]) -> list[list[str]]:
    """Return the heading and a row for each measure: each image, and the first one compared with each other one."""
    images = list(dict.fromkeys(sample.image for sample in samples))
    first, *peers = images
    table = [["", *images, *(f"{first} / {peer}" for peer in peers)]]
    for each in MEASURES:
        cells = (spread([*values(samples, image, each).values()], each.digits, each.unit) for image in images)
        table.append([each.name, *cells, *(spread(ratios(samples, first, peer, each)) for peer in peers)])
    return table


def drawn(samples: Sequence[Sample]) -> str:
    """Return a picture of the latencies."""
    images = dict.fromkeys(sample.image for sample in samples)
    measures = {measure.name: measure for measure in MEASURES}
    bars = {
        f"{page}: {image}": [[*values(samples, image, measures[f"{page}: {part}"]).values()] for part in (P50, P99)]
        for page in PAGES
        for image in images
    }
    title = f"Milliseconds to a response, with {wrk.CONNECTIONS} connections that send requests without a pause"
    return chart(title, (P50, P99), bars, " ms", 1)


def bench(options: argparse.Namespace) -> None:
    """Build, measure, print."""
    where = f"{machine()}, Docker {containers.engine()}"
    for image in IMAGES:
        containers.build(image, options.python_image)
    python = containers.python_of(IMAGES[0])
    samples = measure_all(IMAGES, options.runs, options.seconds)
    print(draw(rows(samples)))
    print(f"\nMedian (min to max), rounds: {options.runs}, {options.seconds} s each. {where}; {python} in the images;")
    print(f"load average at the end, of which the benchmark makes 2 to 3: {os.getloadavg()[0]:.1f}.")
    if options.json:
        facts = {"machine": where, "python": python, "samples": [asdict(sample) for sample in samples]}
        write(options.json, facts)
    if options.picture:
        write_text(options.picture, drawn(samples))


def arguments() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    made = with_picture(parser("Throughput of the example image beside images written by hand.", runs=9))
    made.add_argument("--seconds", type=positive, default=2, help="each page in a round (default: %(default)s)")
    made.add_argument("--python-image", default=containers.PYTHON_IMAGE, help="of all images (default: %(default)s)")
    return made


if __name__ == "__main__":
    sys.exit(carry_out(bench, arguments().parse_args()))
