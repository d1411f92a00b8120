"""Decides which files root may run, read and follow: none that the application's user can write.

The suspects are the users of the container's programs. Root trusts a path if no suspect can change what it leads to:
the file, a folder on the way, or a symbolic link. If the container does not run as root, there are no suspects, and
every path is trusted.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple, Self, TypeVar

from entrypoint.boot.trust.accounts import MAY_SWITCH, USUAL, Account, is_root, look_up
from entrypoint.errors import NotAllowed

T = TypeVar("T")

SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
REMEDY: Final = "to fix it, run `chown root` and `chmod go-w`"
_MOST_LINKS: Final = 40  # the kernel's limit: path_resolution(7)
_ACL: Final = "system.posix_acl_access"
LOADED: Final = frozenset(
    {
        *("PATH", "LD_AUDIT", "LD_LIBRARY_PATH", "LD_PRELOAD", "GCONV_PATH"),
        *("OPENSSL_CONF", "OPENSSL_ENGINES", "OPENSSL_MODULES"),
        *("BASH_ENV", "ENV", "PERL5LIB", "PERLLIB", "RUBYLIB", "NODE_PATH", "GIT_CONFIG_GLOBAL"),
        *("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONPYCACHEPREFIX"),
    }
)
"""The variables that name files which a process loads as code, as lists of paths separated by colons."""


class Trust(NamedTuple):
    """The users whose files root does not trust."""

    suspects: tuple[Account, ...] = ()

    @classmethod
    def of(cls, users: Iterable[str | None]) -> Self:
        """Return the trust of root in a container with these users; None is the default user.

        Root and users that do not exist are left out; other code reports missing users.
        """
        if not is_root():
            return cls()
        found = {}
        for user in dict.fromkeys(users):
            try:
                account = look_up(user or USUAL)
            except ValueError:
                continue
            if account.uid != 0:
                found[account.uid, account.gid] = account
        return cls(tuple(found.values()))

    def fault(self, path: os.PathLike[str] | str, *, create: bool = False) -> str | None:
        """Return why root does not trust the file or folder `path`, such as `www-data can write /srv`, else None.

        For a path that does not exist, the folders on the way to it count. If root is going to `create` the file, it
        does not trust a folder such as /tmp: another user could create the file first.
        """
        if not self.suspects:
            return None
        places = list(_way(str(Path.cwd() / path)))
        for (place, found), following in zip(places, [*places[1:], None], strict=True):
            may_create = create or following is not None
            for account in self.suspects:
                if _can_change(account, place, found, following and following[1], may_create=may_create):
                    return f"{account} can write {place}"
        return None

    def environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return `environment` for a process of root: with root's HOME, and without paths to untrusted code."""
        if not self.suspects:
            return dict(environment)
        kept = {name: value for name, value in environment.items() if name not in LOADED}
        for name in LOADED & environment.keys():
            entries = [each for each in environment[name].split(":") if each.startswith("/") and not self.fault(each)]
            if entries:
                kept[name] = ":".join(entries)
        return {"PATH": SYSTEM_PATH, **kept, **look_up("0").variables}

    def read(self, path: os.PathLike[str] | str, read: Callable[[], T]) -> T:
        """Call `read` as root if `path` is trusted, else as the first suspect; return its result.

        So a symbolic link of the application's user cannot expose a file that this user cannot read.
        """
        if self.fault(path) is None:
            return read()
        with acting_as(self.suspects[0]):
            return read()

    @contextmanager
    def acting(self, folder: os.PathLike[str], account: Account) -> Iterator[bool]:
        """Act as `account` if root does not trust `folder`, whose links may lead anywhere; yield whether it does so."""
        if self.fault(folder) is None:
            yield False
        else:
            with acting_as(account):
                yield True


NO_SUSPECTS: Final = Trust()
"""Every path is trusted, because the container does not run as root."""


@contextmanager
def acting_as(account: Account) -> Iterator[None]:
    """Access files with the permissions of `account` in this process. Raises NotAllowed if root may not do that."""
    groups, gid = os.getgroups(), os.getegid()
    try:
        try:
            os.setgroups(account.groups)
            os.setegid(account.gid)
            os.seteuid(account.uid)
        except PermissionError as error:
            raise NotAllowed(f"cannot act as {account}: {error.strerror}; {MAY_SWITCH}") from error
        yield
    finally:
        os.seteuid(0)
        os.setegid(gid)
        with suppress(PermissionError):  # then they were not changed
            os.setgroups(groups)


def _way(path: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield each folder, link and file on the way to `path` that exists, with its lstat."""
    here, links = "/", 0
    yield here, os.lstat(here)
    left = [part for part in path.split("/") if part][::-1]
    while left:
        name = left.pop()
        if name in ("", "."):
            continue
        if name == "..":
            here = os.path.dirname(here)  # noqa: PTH120 -- a Path is ten times slower, and this runs often
            continue
        place = os.path.join(here, name)  # noqa: PTH118 -- see above
        try:
            found = os.lstat(place)
            target = os.readlink(place) if stat.S_ISLNK(found.st_mode) else None  # noqa: PTH115 -- see above
        except OSError:
            return
        yield place, found
        if target is None:
            here = place
            continue
        links += 1
        if links > _MOST_LINKS:
            return
        here = "/" if target.startswith("/") else here
        left.extend([part for part in target.split("/") if part][::-1])


def _can_change(
    account: Account, place: str, found: os.stat_result, following: os.stat_result | None, *, may_create: bool
) -> bool:
    """Return whether `account` can change what a path leads to by writing `place`, a part of the path.

    `following` is the next part; None if it does not exist.
    """
    if stat.S_ISLNK(found.st_mode) or not _can_write(account, place, found) or _read_only(place):
        return False
    if not stat.S_ISDIR(found.st_mode) or not found.st_mode & stat.S_ISVTX or found.st_uid == account.uid:
        return True
    # In a sticky folder, only the owners of the folder and of an entry can replace that entry.
    if following is not None:
        return following.st_uid == account.uid
    return may_create


def _can_write(account: Account, place: str, found: os.stat_result) -> bool:
    if found.st_uid == account.uid:
        return True  # its owner can change its mode
    if found.st_mode & stat.S_IWGRP and (found.st_gid in (*account.groups, account.gid) or _has_acl(place)):
        return True
    return bool(found.st_mode & stat.S_IWOTH)


def _has_acl(place: str) -> bool:
    """Return whether an access control list, which may name any user, replaces the group's permissions: acl(5)."""
    try:
        return bool(os.getxattr(place, _ACL))
    except OSError:
        return False


def _read_only(place: str) -> bool:
    return bool(os.statvfs(place).f_flag & os.ST_RDONLY)
