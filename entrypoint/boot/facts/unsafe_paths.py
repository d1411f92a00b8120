"""Finds paths and settings that root must not use, because the user of a program can change them."""

import sys
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Final

from entrypoint.boot.facts.user_files import HTTP_FOLDER, NGINX_FOLDER, SERVER_FOLDER, SUPERVISOR_FOLDER
from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.settings.sources.project_file import OWN, PYPROJECT
from entrypoint.boot.trust.accounts import Account, look_up
from entrypoint.boot.trust.trust import REMEDY, Trust
from entrypoint.errors import NotAllowed, Unusable

# These settings decide what root runs and where it writes.
_DIRECT_ROOT: Final = (
    *("ENTRYPOINT_USER", "PUID", "PGID", "ENTRYPOINT_RUN_DIR", "ENTRYPOINT_CONF_DIR", "ENTRYPOINT_HOOKS_DIR"),
    *("ENTRYPOINT_DATA_DIR", "NGINX_TLS_CERTIFICATE", "NGINX_TLS_KEY", "NGINX_TLS_ACME_DIRECTORY", "NGINX_TLS_ACME_CA"),
)


def find(settings: Settings, app_dir: Path, account: Account, trust: Trust) -> Iterator[NotAllowed | Unusable]:
    """Yield an error for each path and setting that root must not use; none if entrypoint does not run as root."""
    if not trust.suspects:
        return
    for place in dict.fromkeys((sys.executable, *sys.path)):
        if fault := trust.fault(place):
            why = "install entrypoint-toolkit where only root can write, or run the container as that user"
            yield NotAllowed(f"cannot run as root from {place}: {fault}; {why}")
    yield from _unsafe_settings(settings, app_dir, account, trust)
    read_by_root = {
        "ENTRYPOINT_RUN_DIR": settings.run_dir,
        "ENTRYPOINT_CONF_DIR": settings.conf_dir,
        "NGINX_TLS_CERTIFICATE": settings.tls_certificate,
        "NGINX_TLS_KEY": settings.tls_key,
        "NGINX_TLS_ACME_CA": settings.tls_authority,
    }
    paths: dict[str, PurePath] = {f"{name}={path}": path for name, path in read_by_root.items() if path}
    if settings.conf_dir:
        paths |= {str(path): path for path in Path(settings.conf_dir).glob("*")}
    if settings.behind_nginx:
        paths |= {str(path): path for path in _of_nginx(trust)}
    paths |= {str(path): path for path in (SUPERVISOR_FOLDER, *sorted(SUPERVISOR_FOLDER.glob("*.conf")))}
    for what, path in paths.items():
        if fault := trust.fault(path):
            yield NotAllowed(f"cannot use {what} as root: {fault}; {REMEDY}")


def _of_nginx(trust: Trust) -> Iterator[Path]:
    """Yield nginx's folder and the files that nginx reads. If the folder has a fault, that is the fault of them all."""
    yield NGINX_FOLDER
    if not trust.fault(NGINX_FOLDER):
        for pattern in ("*", f"{HTTP_FOLDER.name}/*.conf", f"{SERVER_FOLDER.name}/*.conf"):
            yield from sorted(NGINX_FOLDER.glob(pattern))


def _unsafe_settings(settings: Settings, app_dir: Path, account: Account, trust: Trust) -> Iterator[Unusable]:
    """Yield an error for each setting that directs root and that the application's user can change in a file."""
    for file in (PYPROJECT, OWN):
        fault = trust.fault(app_dir / file)
        if fault is None:
            continue
        for name in _DIRECT_ROOT:
            if settings.origins.get(name) == file:
                key = name.lower().removeprefix("entrypoint_")
                yield Unusable(f"cannot use {key} in {file}: it directs what root does, and {fault}; set {name}")
        for program in settings.chosen:
            if program.file == file and program.user and not _is(account, program.user):
                fix = f"chown the file to root, or run {program.name} as {account}"
                yield Unusable(f"cannot use {program.describe('user')}: {fault}; {fix}")
            if program.file == file and program.log_file:
                why = f"root writes that file, and {fault}"
                yield Unusable(f"cannot use {program.describe('log')}: {why}; chown {file} to root, or use log = lines")


def _is(account: Account, user: str) -> bool:
    try:
        return look_up(user).uid == account.uid
    except ValueError:
        return True  # the missing user is reported elsewhere
