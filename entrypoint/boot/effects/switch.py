"""Becoming another user, and another program."""

import os
from collections.abc import Mapping
from typing import NoReturn

from entrypoint.boot.trust.accounts import Account
from entrypoint.errors import NotAllowed, NotFound, NotRunnable


def switch_user(account: Account) -> None:
    """Give up being root for good."""
    os.setgroups(account.groups)
    os.setgid(account.gid)
    os.setuid(account.uid)


def exec_program(argv: tuple[str, ...], environment: Mapping[str, str], directory: os.PathLike[str]) -> NoReturn:
    """Become another program. Raises NotFound or NotRunnable (127, 126) where that cannot be."""
    try:
        os.chdir(directory)
    except OSError as error:
        raise NotAllowed(f"cannot enter {directory}: {error.strerror}") from error
    try:
        os.execvpe(argv[0], argv, environment)  # noqa: S606 -- becoming that program is the purpose
    except FileNotFoundError as error:
        raise NotFound(f"cannot run {argv[0]}: there is no such command") from error
    except OSError as error:
        raise NotRunnable(f"cannot run {argv[0]}: {error.strerror}") from error
