"""What the benchmarks share: how they fail, how they name the machine, and how they print numbers."""

import argparse
import json
import os
import platform
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median

NOTHING = "-"


class Failed(Exception):
    """The benchmark cannot go on: `cannot <verb> <what>: <why>`."""


def spread(values: Sequence[float], digits: int = 2, unit: str = "") -> str:
    """Return `median unit (min to max)`."""
    if not values:
        return NOTHING
    low, middle, high = (f"{value:.{digits}f}" for value in (min(values), median(values), max(values)))
    return f"{middle}{unit} ({low} to {high})"


def draw(table: Sequence[Sequence[str]]) -> str:
    """Return the rows, the heading first, as Markdown with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in table]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def machine() -> str:
    """Return the words that name this machine."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}"
    return f"{platform.machine()}, {os.cpu_count()} cores, {platform.platform()}"


def write(file: Path, facts: object) -> None:
    """Write every sample as JSON."""
    try:
        file.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise Failed(f"cannot write {file}: {error.strerror}") from None


def parser(description: str, runs: int) -> argparse.ArgumentParser:
    """Return a command line's parser with the options that each benchmark has."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("-n", "--runs", type=positive, default=runs, help="how often (default: %(default)s)")
    made.add_argument("--json", type=Path, metavar="FILE", help="write every sample to FILE, too")
    return made


def with_picture(made: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the option of a benchmark that draws one."""
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
