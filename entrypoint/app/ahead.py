"""An agent that was started before it was known for whom (entrypoint/boot/interpreter.py, HeadStart)."""

import ctypes
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, Final

_PR_SET_DUMPABLE: Final = 4  # prctl(2)


def make_ready() -> None:
    """Import what every project imports, and nothing of a project."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # boot holds its signals at that moment
    with suppress(Exception):  # whatever it is, the project meets it too, and then it is told
        import_module("django.core.management")


def become(orders: Mapping[str, Any]) -> None:
    """Be who and where the orders say, as if started so."""
    os.environ.clear()
    os.environ.update(orders["environment"])
    if orders["ids"] is not None:
        user, group, groups = orders["ids"]
        os.setgroups(groups)
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
        # As after an exec: else our own /proc/self, and so /dev/stdout, would be root's.
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
    os.chdir(orders["directory"])
