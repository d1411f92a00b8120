"""Switch to another user, and exec another program."""

import os
from collections.abc import Mapping
from typing import NoReturn

from entrypoint.boot.trust.accounts import MAY_SWITCH, Account
from entrypoint.errors import NotAllowed, NotFound, NotRunnable


def switch_user(account: Account) -> None:
    """Drop root permanently. Raises NotAllowed (77) if root may not do that."""
    try:
        os.setgroups(account.groups)
        os.setgid(account.gid)
        os.setuid(account.uid)
    except PermissionError as error:
        raise NotAllowed(f"cannot run a command as {account}: {error.strerror}; {MAY_SWITCH}") from error


def exec_program(argv: tuple[str, ...], environment: Mapping[str, str], directory: os.PathLike[str]) -> NoReturn:
    """Replace this process. Raises NotAllowed (77), NotFound (127) or NotRunnable (126)."""
    try:
        os.chdir(directory)
    except OSError as error:
        raise NotAllowed(f"cannot enter {directory}: {error.strerror}") from error
    try:
        os.execvpe(argv[0], argv, environment)  # noqa: S606 -- the purpose of this function
    except FileNotFoundError as error:
        raise NotFound(f"cannot run {argv[0]}: {NotFound.WHY}") from error
    except OSError as error:
        raise NotRunnable(f"cannot run {argv[0]}: {error.strerror}") from error
