"""Measure what an idle site costs: wake-ups a second and memory, by program. README.md says how."""

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
from example_site import COMMAND, booted
from table import carry_out, draw, machine, parser, spread, write

SETTLED = 15.0  # seconds: the programs look again at everything after their start
PROGRAMS = ("process 1", "nginx", "uwsgi")
WAKE_UPS, MEMORY = "wake-ups a second", "memory (PSS)"

Sample = Mapping[str, Mapping[str, float]]
"""The values of one run, by program and by what they measure."""


def by_program(first: psutil.Process) -> dict[str, list[psutil.Process]]:
    """Return the processes of each program."""
    found: dict[str, list[psutil.Process]] = {name: [] for name in PROGRAMS}
    found["process 1"].append(first)
    for child in first.children():
        name = next((name for name in PROGRAMS if name in Path(child.exe()).name), "uwsgi")
        found[name] += [child, *child.children(recursive=True)]
    return found


def measure(command: str, seconds: float) -> Sample:
    """Boot a site, leave it alone, and count."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-idle-") as home,
        booted(Path(home), command, WEB_CONCURRENCY="2") as site,
    ):
        first = site.process
        time.sleep(SETTLED)
        programs = by_program(first)
        before = {name: wakes(processes) for name, processes in programs.items()}
        time.sleep(seconds)
        return {
            name: {
                WAKE_UPS: (wakes(processes) - before[name]) / seconds,
                MEMORY: sum(each.memory_full_info().pss for each in processes) / 1e6,
            }
            for name, processes in programs.items()
        }


def wakes(processes: list[psutil.Process]) -> int:
    """Return how often the threads of the processes have begun to wait."""
    found = 0
    for process in processes:
        for thread in process.threads():
            status = Path(f"/proc/{process.pid}/task/{thread.id}/status").read_text("ascii")
            found += int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return found


def bench(arguments: argparse.Namespace) -> None:
    """Measure each command in turn, and print a table."""
    commands = dict(arguments.commands or [("ours", COMMAND)])
    samples: dict[str, list[Sample]] = {name: [] for name in commands}
    for _ in range(arguments.runs):
        for name, command in commands.items():
            samples[name].append(measure(command, arguments.seconds))
    rows = [["", *commands]]
    for what, digits, unit in ((WAKE_UPS, 2, ""), (MEMORY, 1, " MB")):
        for program in PROGRAMS:
            cells = [spread([run[program][what] for run in samples[name]], digits, unit) for name in commands]
            rows.append([f"{program}: {what}", *cells])
    print(f"{machine()}; {arguments.seconds:g} s each, {arguments.runs} runs\n\n{draw(rows)}")
    if arguments.json:
        write(arguments.json, samples)


def named(text: str) -> tuple[str, str]:
    """Return the name and the path of a command, from NAME=PATH."""
    name, equals, path = text.partition("=")
    if not equals:
        raise ValueError
    return name, path


if __name__ == "__main__":
    options = parser("Measure an idle site.", 3)
    options.add_argument("--seconds", type=float, default=60.0, help="how long each is watched (default: %(default)s)")
    options.add_argument(
        "--command",
        dest="commands",
        action="append",
        type=named,
        metavar="NAME=PATH",
        help="a command `entrypoint` to measure, for instance of another version; may be repeated",
    )
    sys.exit(carry_out(bench, options.parse_args()))
