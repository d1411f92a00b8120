"""Check the file of NGINX_BASIC_AUTH_FILE. nginx reads it for each request, and reports a mistake only then."""

import os
import re
import stat
from contextlib import nullcontext
from pathlib import Path, PurePosixPath
from typing import Final

from entrypoint.boot.settings.sources import textfile
from entrypoint.boot.trust.accounts import Account
from entrypoint.boot.trust.trust import acting_as
from entrypoint.errors import NotAllowed, Unusable

_USER: Final = re.compile(
    r"[^:\s][^:]*:(?:\$(?:apr1|1|2[aby]|5|6|7|y|gy)\$[^:]+|\{(?:SSHA|SHA|PLAIN)\}[^:]+|[./0-9A-Za-z]{13})(?::.*)?"
)
_HOW: Final = "write lines of the form NAME:HASH, with hashes from `openssl passwd -6`"


def check(path: PurePosixPath, account: Account | None) -> None:
    """Raise NotAllowed or Unusable if nginx's workers cannot use the file, or if everybody can read it.

    `account` is the user of the workers; None is the current user.
    """
    file, what = Path(path), f"cannot use NGINX_BASIC_AUTH_FILE={path}"
    group = f"chgrp {account.group or account.gid} {path} && " if account else ""
    mend = f"run: {group}chmod {'640' if account else '600'} {path}"
    try:
        if stat.S_IMODE(os.stat(file).st_mode) & stat.S_IROTH:  # noqa: PTH116 -- the name of stat(2)
            raise Unusable(f"{what}: everybody can read it; {mend}")
        with acting_as(account) if account else nullcontext():
            data = textfile.read_bytes(file)
    except PermissionError as error:
        who = str(account) if account else f"uid {os.geteuid()}"
        raise NotAllowed(f"{what}: {who}, the user of nginx's workers, cannot read it; {mend}") from error
    except OSError as error:
        raise Unusable(f"{what}: {error.strerror}; mount the file, or unset NGINX_BASIC_AUTH_FILE") from error
    except ValueError as error:
        raise Unusable(f"{what}: {error}") from error
    lines = [line.strip() for line in data.decode(errors="replace").splitlines()]
    users = [(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    if not users:
        raise Unusable(f"{what}: it names no user; {_HOW}")
    for number, line in users:
        if not _USER.fullmatch(line):
            raise Unusable(f"{what}: line {number} holds no user and no hash that nginx knows; {_HOW}")
