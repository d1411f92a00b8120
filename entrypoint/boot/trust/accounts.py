"""The users that processes run as."""

import grp
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

USUAL: Final = "www-data"
"""The application's default user, if root starts it."""
MAY_SWITCH: Final = (
    "add the capabilities CHOWN, DAC_OVERRIDE, KILL, SETGID and SETUID, or start the container as that user"
)
"""What lets root run programs as another user, and stop them."""
_CAPABILITIES: Final = {"CHOWN": 0, "DAC_OVERRIDE": 1, "KILL": 5, "SETGID": 6, "SETUID": 7}  # linux/capability.h
_SETPRIV: Final = "/usr/bin/setpriv"  # of util-linux; an absolute path, because the user may own folders in PATH


@dataclass(frozen=True)
class Account:
    """A user that a process can run as."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    name: str | None  # None if the uid has no passwd entry
    group: str | None  # None if the gid has no group entry
    home: str
    by_name: bool = False  # whether the user name alone implies this group

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that name the user of a process."""
        return {"HOME": self.home, "USER": str(self), "LOGNAME": str(self)}

    def switching(self, command: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command that root runs to switch to this user and then run `command`.

        Use it only with root's own environment: setpriv would obey variables of the user, such as LD_PRELOAD.
        """
        groups = f"--groups={','.join(map(str, self.groups))}" if self.groups else "--clear-groups"
        return (_SETPRIV, f"--reuid={self.uid}", f"--regid={self.gid}", groups, "--", *command)

    def __str__(self) -> str:
        return self.name or f"{self.uid}:{self.gid}"


def is_root() -> bool:
    """Return whether this process may change the user and listen on any port."""
    return os.geteuid() == 0


def fault_of_root(account: Account) -> str:
    """Return which capabilities root lacks to run programs as `account`, and what mends it; empty if none."""
    if not is_root() or account.uid == 0:
        return ""
    with open("/proc/self/status", "rb") as status:  # noqa: PTH123 -- read at each boot, without pathlib
        effective = next(int(line[7:], 16) for line in status if line.startswith(b"CapEff:"))
    missing = [name for name, bit in _CAPABILITIES.items() if not effective >> bit & 1]
    if not missing:
        return ""
    flags = " ".join(f"--cap-add {name}" for name in missing)
    what = f"the capabilit{'y' if len(missing) == 1 else 'ies'} {', '.join(missing)}"
    return f"root lacks {what}; add {flags}, or start the container as that user"


def owner(found: os.stat_result) -> str:
    """Return the owner and group of a file, such as www-data:www-data; numbers where there are no names."""
    try:
        user = pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        user = str(found.st_uid)
    return f"{user}:{_group_name(found.st_gid) or found.st_gid}"


def numeric(uid: int | str | None, gid: int | str | None) -> str | None:
    """Return how `look_up` spells these numbers; None without a uid."""
    return None if uid is None else f"{uid}" if gid is None else f"{uid}:{gid}"


def owner_in_development(environ: Mapping[str, str]) -> str | None:
    """Return the owner of the application's folder as uid:gid, if root starts a container for development.

    The folder is then usually a mounted source tree, where the application must write as the person who edits it. None
    if the owner is root, or if a variable names the user or comes from a file, whose reading would depend on the user.
    """
    if not is_root() or environ.get("DJANGO_ENV") != "development":
        return None
    if any(environ.get(name) for name in ("ENTRYPOINT_USER", "PUID", "ENTRYPOINT_APP_DIR_FILE")):
        return None
    try:
        found = os.stat(environ.get("ENTRYPOINT_APP_DIR") or ".")  # noqa: PTH116 -- pathlib is not needed here
    except OSError:
        return None
    return f"{found.st_uid}:{found.st_gid}" if found.st_uid else None


def look_up(wanted: str) -> Account:
    """Return the account of a user name, uid or uid:gid. Raises ValueError with the reason if it cannot be used."""
    current = os.geteuid()
    name, _, group = wanted.partition(":")
    try:
        entry = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        if not name.isdigit():
            raise ValueError("there is no such user; create it in the image, or give a uid") from None
        entry = None
    uid = entry.pw_uid if entry else int(name)
    if group:
        gid = int(group)
    elif entry:
        gid = entry.pw_gid
    else:
        gid = os.getegid() if uid == current else uid
    if current not in (0, uid):
        raise ValueError("entrypoint does not run as root, so it cannot change the user")
    return Account(
        uid=uid,
        gid=gid,
        groups=tuple(os.getgrouplist(entry.pw_name, gid)) if entry else (gid,),
        name=entry.pw_name if entry else None,
        group=_group_name(gid),
        home=entry.pw_dir if entry else "/",
        by_name=entry is not None and entry.pw_gid == gid,
    )


def _group_name(gid: int) -> str | None:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return None
