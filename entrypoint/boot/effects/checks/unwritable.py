"""Folders and streams that a user cannot write, and the line for Docker or Kubernetes that fixes it."""

import os
import shlex
import stat
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

from entrypoint.boot.plan.findings import DOCKERFILE, POD, RUN, SHELL, Finding
from entrypoint.boot.trust.accounts import Account
from entrypoint.boot.trust.trust import acting_as


class Place(NamedTuple):
    """A folder that must be writable, or a file whose folder must be."""

    setting: str
    path: Path
    account: Account | None = None  # the user who writes there; None: the current user
    lasting: bool = True  # whether its content must outlive the container
    boot_says: str = ""  # the beginning of a boot's message about it; empty if a boot has none


def check(place: Place, *, kubernetes: bool) -> Finding | None:
    """Return the finding if the place cannot be written, else None."""
    with acting_as(place.account) if place.account and os.geteuid() == 0 else nullcontext():
        return _fault(place, kubernetes=kubernetes)


def _fault(place: Place, *, kubernetes: bool) -> Finding | None:
    there = next(each for each in (place.path, *place.path.parents) if os.path.lexists(each))
    folder = os.path.isdir(there)  # noqa: PTH112 -- Path.is_dir raises without permission
    if os.access(there, os.W_OK | (os.X_OK if folder else 0), effective_ids=True):
        return None
    # Mount or create the path of the setting, not its parent that exists.
    target = place.path if there != place.path or folder else place.path.parent
    what = f"{place.setting}={place.path}"
    account = place.account
    owner = (account.uid, account.gid) if account else (os.geteuid(), os.getegid())
    who = str(account) if account else f"uid {owner[0]}"
    if _read_only(there):
        return Finding(f"cannot write {what}: the file system is read-only", *_mount(place, target, owner, kubernetes))
    problem = f"cannot write {what}: {who} may not write {there}"
    if not _on_volume(there):
        # An engine that chooses the uid may choose another one the next time; the group root stays.
        whose = f"-o {owner[0]} -g {owner[1]}" if owner[1] else "-g root -m 775"
        return Finding(problem, f"RUN install -d {whose} {shlex.quote(str(target))}", DOCKERFILE)
    if kubernetes:
        return Finding(problem, f"securityContext: {{fsGroup: {owner[1]}}}", POD)
    return Finding(problem, f"chown -R {owner[0]}:{owner[1]} {shlex.quote(str(there))}", SHELL)


def _read_only(path: Path) -> bool:
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:  # a link that leads nowhere for this user
        return False


def _mount(place: Place, target: Path, owner: tuple[int, int], kubernetes: bool) -> tuple[str, str]:  # noqa: FBT001 -- one caller
    """Return the line that mounts a writable folder, and where it belongs."""
    name = target.name.strip(".").replace("_", "-").lower() or "data"
    if kubernetes:
        source = f"persistentVolumeClaim: {{claimName: {name}}}" if place.lasting else "emptyDir: {}"
        volume = f"volumes: [{{name: {name}, {source}}}]"
        mount = f"volumeMounts: [{{name: {name}, mountPath: {target}}}]"
        return f"{volume}\n{mount}", "in the pod's spec and the container's"
    if place.lasting:
        return f"--volume {shlex.quote(f'{name}:{target}')}", RUN
    return f"--tmpfs {shlex.quote(f'{target}:uid={owner[0]},gid={owner[1]},mode=0755')}", RUN


def opens_stdout(account: Account) -> bool:
    """Return whether a program of this user can open /dev/stdout by its name, as servers do that log to it."""
    found = os.fstat(1)
    if stat.S_ISSOCK(found.st_mode):  # open(2): ENXIO
        return False
    own = stat.S_IWUSR if found.st_uid == account.uid else 0
    group = stat.S_IWGRP if found.st_gid in {account.gid, *account.groups} else 0
    return not account.uid or bool(found.st_mode & (own or group or stat.S_IWOTH))


def _on_volume(path: Path) -> bool:
    """Return whether the path is on a mount, so that its owner does not come from the image."""
    return any(os.path.ismount(each) for each in (path, *path.parents) if each != Path("/"))
