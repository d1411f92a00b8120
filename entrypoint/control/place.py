"""The run directory of the site of this container, and whether root has booted it."""

from pathlib import Path
from typing import Final

from entrypoint.protocol import filenames

_OURS: Final = frozenset({"entrypoint", "supervisord"})


def run_dir(expected: Path, usual: Path, proc: Path = Path("/proc")) -> Path:
    """Return the run directory of the supervisord that is process 1, else `expected`, else `usual` if only that exists.

    A user who is not the container's own, for example root by `docker exec --user 0`, would boot in another folder.
    """
    if running := of_process_1(proc):
        return running
    return usual if not expected.exists() and usual.exists() else expected


def of_root(uid: int, proc: Path = Path("/proc")) -> bool:
    """Return whether root has booted the site; `uid` is the caller's. The default ports depend on this.

    The owner of process 1 decides where that is a boot, supervisord, or an init that runs one of them.
    """
    try:
        names = {Path(word).name for word in _words(proc)}
        first = (proc / "1").stat().st_uid
    except OSError:  # hidden: hidepid of proc(5)
        return uid == 0
    return (first if names & _OURS else uid) == 0


def of_process_1(proc: Path = Path("/proc")) -> Path | None:
    """Return the run directory of the supervisord that is process 1; None if process 1 is another program."""
    try:
        words = _words(proc)
    except OSError:
        return None
    conf = Path(words[words.index("-c") + 1]) if "-c" in words[:-1] else Path()
    return conf.parent if conf.name == filenames.SUPERVISORD_CONF.name and conf.is_absolute() else None


def _words(proc: Path) -> list[str]:
    """Return the command line of process 1. Raises OSError."""
    return (proc / "1/cmdline").read_bytes().decode(errors="surrogateescape").split("\0")
