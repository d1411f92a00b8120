"""The readiness file on a full file system."""

import os
import signal
from pathlib import Path

from deadline import until

from .rig import NOTIFY, Container, alive

SITE = NOTIFY + "import time\nwhile not os.path.exists('go'): time.sleep(0.01)\ntell()\ntime.sleep(1000)\n"
MOUNT = 'mount -t tmpfs -o size=64k tmpfs "$0" && exec "$@"'


def _fill(folder: Path) -> Path:
    """Fill the file system to its last byte."""
    filler = folder / "filler"
    with filler.open("ab", buffering=0) as opened:
        try:
            while True:
                opened.write(b"x" * 4096)
        except OSError:
            return filler


def test_a_site_is_ready_again_after_the_disk_was_full(container: Container) -> None:
    container.factory = "tests.process.supervision.hurried:make"
    small, go = container.home / "small", container.home / "go"
    small.mkdir()
    go.touch()
    container.config = {"ready_file": str(small / "ready.json")}
    container.program("site", container.script("site", SITE), ready="notify", essential=True, restart="always")
    apart = ("unshare", "--mount", *(["--map-root-user"] if os.geteuid() else []), "sh", "-c", MOUNT, str(small))
    container.start(under=apart).said("ready after")
    inside = Path(f"/proc/{container.pid}/root{small}")  # as the container sees it
    ready = inside / "ready.json"
    assert ready.exists()
    go.unlink()
    os.kill(container.spawned("site"), signal.SIGKILL)
    until(lambda: not ready.exists(), "red")
    filler = _fill(inside)
    go.touch()
    again = container.spawned("site", 2)
    failed = f"CRIT cannot write {small / 'ready.json'}: No space left on device; trying again every 0.1 s"
    container.said(failed)
    assert not ready.exists()
    filler.unlink()
    container.said(f"CRIT wrote {small / 'ready.json'} after earlier failures")
    container.said("ready again after")
    assert ready.read_text() == '{"phase": "ready"}\n'
    assert container.text().count(failed) == 1
    assert alive(again)
    assert container.stop() == 0


def test_a_folder_in_place_of_the_file_is_reported_and_waited_out(container: Container) -> None:
    container.factory = "tests.process.supervision.hurried:make"
    go = container.home / "go"
    container.program("site", container.script("site", SITE), ready="notify", essential=True)
    container.start().spawned("site")
    container.ready_file.mkdir()
    go.touch()
    container.said(f"CRIT cannot write {container.ready_file}: Is a directory; trying again every 0.1 s")
    container.ready_file.rmdir()
    container.said("ready after")
    assert container.ready_file.is_file()
    assert container.stop() == 0
