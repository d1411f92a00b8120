"""Where the site of this container has its run directory."""

from pathlib import Path
from typing import Final

_CONF: Final = "supervisord.conf"


def run_dir(expected: Path, usual: Path, proc: Path = Path("/proc")) -> Path:
    """Return the run directory of the supervisord that is process 1, else `expected`, else `usual` if only that exists.

    A user who is not the container's own, for example root by `docker exec --user 0`, would boot in another folder.
    """
    if running := of_process_1(proc):
        return running
    return usual if not expected.exists() and usual.exists() else expected


def of_process_1(proc: Path = Path("/proc")) -> Path | None:
    """Return the run directory of the supervisord that is process 1; None if process 1 is another program."""
    try:
        words = (proc / "1/cmdline").read_bytes().decode(errors="surrogateescape").split("\0")
    except OSError:
        return None
    conf = Path(words[words.index("-c") + 1]) if "-c" in words[:-1] else Path()
    return conf.parent if conf.name == _CONF and conf.is_absolute() else None
