"""Whether a program is frozen: stopped by SIGSTOP, so that it accepts connections (the kernel does) and reads nothing.

Its state is asked for, and not an answer: a server whose workers are all busy would not answer either.
"""

from pathlib import Path

STOPPED = b"T"
"""The state in proc(5) after SIGSTOP. A debugger's stop, which strace makes thousands of times a second, is `t`."""


def fault(pid: int) -> str | None:
    """Return why the program with the first process `pid` cannot work: that process or all its children are stopped.

    Return None if it can, or if that cannot be known.
    """
    try:
        if _stopped(str(pid)):
            return f"process {pid} is stopped (SIGSTOP)"
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
        if children and all(map(_stopped, children)):
            return f"all children of process {pid} are stopped (SIGSTOP)"
    except OSError:  # one of them has ended
        return None
    return None


def _stopped(pid: str) -> bool:
    return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == STOPPED
