"""What a run of the tests leaves behind when it is killed: processes, containers and its folder.

Each process of a run names the run's folder, or pytest's, in its environment, its command or its working directory, or
is the child of one that does. Each container, network, volume and image has a name that begins with the folder's.
"""

import os
import select
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

RUN = "TESTS_RUN"
"""The variable with the folder of this run, for the workers of pytest-xdist and the processes that tests start."""
_ENGINE = "engine"
"""A file in the folder of a run that has made something in a Docker Engine."""
_IN_THE_ENGINE = (
    # what lists them, and what removes them
    ("ps -aq --filter name=^{name}-", "rm -f -v"),
    ("network ls -q --filter name=^{name}-", "network rm"),
    ("volume ls -q --filter name=^{name}-", "volume rm -f"),
    ("images --format {{{{.Repository}}}} --filter reference={name}-*", "rmi"),
)


def run_folder() -> Path:
    """Return the folder of this run, which all its processes share."""
    return Path(os.environ[RUN])


def name_in_engine() -> str:
    """Return a new name for what a test makes in a Docker Engine; `sweep` looks there from then on."""
    (run_folder() / _ENGINE).touch()
    return f"{run_folder().name}-{uuid.uuid4().hex[:12]}"


def watch(folder: Path, pytests: Path) -> "subprocess.Popen[bytes]":
    """Start a process that waits for the end of this one and then sweeps, for this one may be killed."""
    return subprocess.Popen(
        [sys.executable, __file__, str(os.getpid()), folder, pytests],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C does not reach it
    )


def sweep(folder: Path, pytests: Path) -> None:
    """Kill the processes that are left of a run; remove what is left of it in the engine, and its folder."""
    _kill([str(folder), f"{pytests}/"])
    if (folder / _ENGINE).exists():
        for listing, removing in _IN_THE_ENGINE:
            found = _docker(listing.format(name=folder.name).split()).split()
            if found:
                _docker([*removing.split(), *found])
    remove(folder)


def remove(folder: Path) -> None:
    """Remove a folder in which a test may have closed others: an ordinary user removes nothing from those."""
    for path, folders, _ in os.walk(folder):
        for inner in (Path(path, name) for name in folders):  # before the walk enters it
            if not inner.is_symlink() and not os.access(inner, os.R_OK | os.W_OK | os.X_OK):
                inner.chmod(0o700)
    shutil.rmtree(folder)


def _kill(places: Sequence[str]) -> None:
    stopped: set[psutil.Process] = set()
    while new := set(_of_the_run(places)) - stopped:
        for process in new:
            with suppress(psutil.Error):
                process.suspend()  # so that it starts no other
        stopped |= new
    for process in stopped:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stopped, timeout=10)  # or one would write into the folder that is removed


def _of_the_run(places: Sequence[str]) -> Iterator[psutil.Process]:
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in psutil.process_iter():
        if process.pid not in spared and any(place in _description(process.pid) for place in places):
            yield process
            with suppress(psutil.Error):
                yield from process.children(recursive=True)


def _description(pid: int) -> str:
    with suppress(OSError):  # it has ended, or is another user's and so none of the run
        entry = Path("/proc", str(pid))
        texts = (entry / "environ").read_bytes(), (entry / "cmdline").read_bytes()
        return "\0".join((*map(os.fsdecode, texts), f"{(entry / 'cwd').readlink()}/"))
    return ""


def _docker(words: Sequence[str]) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=False).stdout


if __name__ == "__main__":
    watched, run, temporary = sys.argv[1:]
    with suppress(ProcessLookupError):  # it has ended already
        select.select([os.pidfd_open(int(watched))], [], [])
    if Path(run).exists():
        sweep(Path(run), Path(temporary))
        remove(Path(temporary))
