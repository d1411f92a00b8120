"""The part of bench/scale.py that runs inside a container of the example image; prints a JSON object, in seconds.

Its own Python and byte code are those of the image, and nothing of Docker's time is in what it measures.
"""

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TIMES = 5  # each command
PROGRAMS = (2, 50, 200)
PATIENCE = 60.0
AGENT = "load the application's settings"  # the step in which boot only waits for its agent

BARE = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
COMMANDS: Mapping[str, Sequence[str]] = {
    "python -S -c pass": ("python3", "-S", "-c", "pass"),
    "python -c pass": ("python3", "-c", "pass"),
    "entrypoint --help": ("entrypoint", "--help"),
    "entrypoint --dry-run": ("entrypoint", "--dry-run"),
}
NO_DJANGO = {**BARE, "ENTRYPOINT_APP": "site:application"}  # nginx and uWSGI; nothing loads this application
SLEEPERS = {**BARE, "ENTRYPOINT_SERVER": "none", "ENTRYPOINT_NGINX": "off"}
EXAMPLE = {**BARE, "SECRET_KEY": "of-the-benchmark-alone", "WEB_CONCURRENCY": "2", "PORT": "127.0.0.1:8099"}


def commands(folder: str) -> Iterator[tuple[str, float]]:
    """Run the commands in turn, in a folder without Django; yield the name and the seconds of each run."""
    for _ in range(TIMES):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run(
                command, cwd=folder, env=NO_DJANGO, stdin=subprocess.DEVNULL, capture_output=True, check=True
            )
            yield name, time.perf_counter() - began


@contextmanager
def booted(folder: str, environ: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Boot in a folder; yield the output of `entrypoint boot` once all programs are ready, and stop."""
    with tempfile.TemporaryDirectory() as run, tempfile.TemporaryFile() as log:
        Path(run).chmod(0o755)
        told = {**environ, "ENTRYPOINT_RUN_DIR": run}
        process = subprocess.Popen(
            ["entrypoint"], cwd=folder, env=told, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            deadline = time.monotonic() + PATIENCE
            while not Path(run, "www", "first-ready").exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise SystemExit(f"cannot boot: {log.read().decode()}")
                time.sleep(0.01)
            asked = ["entrypoint", "boot", "--format", "json"]
            yield json.loads(subprocess.run(asked, cwd=folder, env=told, stdout=subprocess.PIPE, check=True).stdout)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


def boots(folder: str) -> Iterator[tuple[str, float]]:
    """Boot the example, then more and more programs; yield the name and the seconds of each measure."""
    with booted("/srv/project", EXAMPLE) as timeline:
        yield "agent", next(step["at"] for step in timeline["steps"] if step["line"] == AGENT)
    for count in PROGRAMS:
        sleepers = {f"ENTRYPOINT_PROGRAM_P{number}": "sleep infinity" for number in range(count)}
        with booted(folder, SLEEPERS | sleepers) as timeline:
            yield f"{count} programs", timeline["ready"]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty:
        samples: dict[str, list[float]] = {}
        for name, seconds in (*commands(empty), *boots(empty)):
            samples.setdefault(name, []).append(seconds)
        print(json.dumps(samples))
