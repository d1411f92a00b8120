"""Shared by the benchmarks: errors, command line options, tables and pictures."""

import argparse
import json
import os
import platform
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median

from entrypoint.control.picture import Bar, Layout, Row, chart_svg

NOTHING = "-"
Samples = Mapping[str, Sequence[Sequence[float]]]
"""The measured values by label, and for each label by series."""


class Failed(Exception):
    """An error that ends the benchmark: `cannot <verb> <what>: <why>`."""


def spread(values: Sequence[float], digits: int = 2, unit: str = "") -> str:
    """Return `median unit (min to max)`, without the range of equal values."""
    if not values:
        return NOTHING
    low, middle, high = (f"{value:.{digits}f}" for value in (min(values), median(values), max(values)))
    return f"{middle}{unit}" + (f" ({low} to {high})" if low != high else "")


def draw(table: Sequence[Sequence[str]]) -> str:
    """Return the rows, the heading first, as Markdown with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in table]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def load() -> float:
    """Return the average number of tasks that ran or wanted to in the last minute."""
    return os.getloadavg()[0]


def machine() -> str:
    """Return a description of this machine."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}"
    return f"{platform.machine()}, {os.cpu_count()} cores, {platform.platform()}"


def write(file: Path, facts: object) -> None:
    """Write every sample as JSON. Raises Failed."""
    write_text(file, json.dumps(facts, indent=2) + "\n")


def parser(description: str, runs: int) -> argparse.ArgumentParser:
    """Return a command line parser with the common options."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("-n", "--runs", type=positive, default=runs, help="how often (default: %(default)s)")
    made.add_argument("--json", type=Path, metavar="FILE", help="write every sample to FILE, too")
    return made


def chart(title: str, series: Sequence[str], samples: Samples, unit: str, digits: int = 2) -> str:
    """Return an SVG picture: a bar to the median of each series, with a line from the least to the greatest value."""
    end = max((value for each in samples.values() for values in each for value in values), default=1.0)
    rows = [
        Row(
            label,
            [
                Bar(0, median(values), f"{median(values):.{digits}f}{unit}", colour, (min(values), max(values)))
                if values
                else None
                for colour, values in zip(("first", "second"), each, strict=True)
            ],
        )
        for label, each in samples.items()
    ]
    return chart_svg(title, series, rows, Layout(width=760, labels=150, right=90, end=end))


def write_text(file: Path, text: str) -> None:
    """Write a file, such as a picture. Raises Failed."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failed(f"cannot write {file}: {error.strerror}") from None


def with_picture(made: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the option `--picture`."""
    made.add_argument("--picture", type=Path, metavar="FILE", help="draw it as SVG into FILE, too")
    return made


def carry_out(bench: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> int:
    """Run a benchmark; return the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        bench(arguments)
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1
    except FileNotFoundError as missing:
        print(f"cannot measure: the command {missing.filename} is not there", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def positive(text: str) -> int:
    """Return a number of runs."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number
