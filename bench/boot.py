"""Boot and stop the example image beside images written by hand, in turn, and print one table.

It needs the docker command and a Docker Engine on this machine; README.md says what is measured.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from containers import (
    IMAGES,
    PYTHON_IMAGE,
    REST,
    Image,
    booted,
    build,
    engine,
    fresh_boot,
    inspect,
    memory,
    python_of,
    stop,
    volume,
)
from table import carry_out, chart, draw, load, machine, parser, spread, with_picture, write, write_text


@dataclass(frozen=True)
class Sample:
    """One image in one run. Times in seconds, memory and size in bytes; None was not measured."""

    image: str
    run: int
    fresh: float | None
    warm: float
    stop: float
    exit_code: int
    memory: int | None
    size: int


def measure(image: Image, run: int) -> Sample:
    """Boot an image on a new volume and again on the same one; measure the second container at rest, and stop it."""
    with volume() as data:
        fresh = fresh_boot(image, data)
        with booted(image, data) as container:
            time.sleep(REST)
            pss = memory(container.name)
            seconds = stop(container.name)
            code = int(inspect(container.name, "{{.State.ExitCode}}"))
            size = int(inspect(image.tag, "{{.Size}}"))
            return Sample(image.name, run, fresh, container.seconds, seconds, code, pss, size)


def measure_all(images: Sequence[Image], runs: int) -> list[Sample]:
    """Measure the images in turn; run 0 warms the page cache and does not count."""
    samples = []
    for run in range(runs + 1):
        for image in images:
            print(f"run {run} of {runs}: {image.name}   ", end="\r", file=sys.stderr, flush=True)
            samples.append(measure(image, run))
    print(" " * 40, end="\r", file=sys.stderr, flush=True)
    return [sample for sample in samples if sample.run > 0]


@dataclass(frozen=True)
class Column:
    """A measure: its heading, its field in a sample, and the format of its numbers."""

    heading: str
    value: Callable[[Sample], float | None]
    unit: str = " s"
    digits: int = 2
    scale: float = 1.0


FRESH = Column("first 200, fresh database", lambda sample: sample.fresh)
WARM = Column("first 200, warm database", lambda sample: sample.warm)
COLUMNS = (
    FRESH,
    WARM,
    Column("stop", lambda sample: sample.stop),
    Column("memory (PSS)", lambda sample: sample.memory, unit=" MB", digits=0, scale=1e-6),
    Column("image", lambda sample: sample.size, unit=" MB", digits=0, scale=1e-6),
)


def measured(samples: Sequence[Sample], image: str, column: Column) -> dict[int, float]:
    """Return the values of an image in this column, by run."""
    values = ((sample.run, column.value(sample)) for sample in samples if sample.image == image)
    return {run: value * column.scale for run, value in values if value is not None}


def ratios(samples: Sequence[Sample], image: str, peer: str, column: Column) -> list[float]:
    """Return the ratio image / peer for each run that measured both: a machine that slows down slows both."""
    ours, theirs = measured(samples, image, column), measured(samples, peer, column)
    return [ours[run] / theirs[run] for run in ours if theirs.get(run)]


def exit_codes(samples: Sequence[Sample], image: str) -> str:
    """Return the exit codes, without duplicates."""
    return ", ".join(str(code) for code in sorted({sample.exit_code for sample in samples if sample.image == image}))


def rows(samples: Sequence[Sample]) -> list[list[str]]:
    """Return the heading, a row for each image, and a row that compares the first image with each peer."""
    images = list(dict.fromkeys(sample.image for sample in samples))
    table = [["", *(column.heading for column in COLUMNS), "exit code"]]
    for image in images:
        cells = (spread([*measured(samples, image, column).values()], column.digits, column.unit) for column in COLUMNS)
        table.append([image, *cells, exit_codes(samples, image)])
    for peer in images[1:]:
        cells = (spread(ratios(samples, images[0], peer, column)) for column in COLUMNS)
        table.append([f"{images[0]} / {peer}", *cells, ""])
    return table


def drawn(samples: Sequence[Sample]) -> str:
    """Return a picture of the boot times."""
    images = dict.fromkeys(sample.image for sample in samples)
    bars = {image: [[*measured(samples, image, column).values()] for column in (FRESH, WARM)] for image in images}
    return chart("Seconds from docker run to the first 200", ("fresh database", "warm database"), bars, " s")


def bench(options: argparse.Namespace) -> None:
    """Build, measure, print."""
    images = [image for image in IMAGES if image.name in options.images]
    where = f"{machine()}, Docker {engine()}"
    for image in images:
        build(image, options.python_image)
    python = python_of(images[0])
    before = load()
    samples = measure_all(images, options.runs)
    print(draw(rows(samples)))
    print(f"\nMedian (min to max), runs: {options.runs}. {where}; {python} in the images.")
    print(f"Load of the machine (tasks, the last minute): {before:.1f} before, {load():.1f} after.")
    if any(sample.memory is None for sample in samples):
        print("Memory is not shown: only root may read it on this machine.")
    if options.json:
        facts = {"machine": where, "python": python, "samples": [asdict(sample) for sample in samples]}
        write(options.json, facts)
    if options.picture:
        write_text(options.picture, drawn(samples))


def arguments() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    names = [image.name for image in IMAGES]
    made = with_picture(parser("Boot and stop of the example image beside images written by hand.", runs=7))
    made.add_argument("--python-image", default=PYTHON_IMAGE, help="what all are built from (default: %(default)s)")
    made.add_argument("--images", nargs="+", choices=names, default=names, help="only these (default: all)")
    return made


if __name__ == "__main__":
    sys.exit(carry_out(bench, arguments().parse_args()))
