"""The end of a process in a shell's terms: its exit code, and the name of a signal."""

import signal


def exit_code(returncode: int) -> int:
    """Return a shell's exit code for a return code of `subprocess`, which is negative after a signal."""
    return 128 - returncode if returncode < 0 else returncode


def signal_name(number: int) -> str:
    """Return the name of a signal; most real-time signals have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
