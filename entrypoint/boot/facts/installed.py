"""The programs that are installed on this machine."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.trust.trust import NO_SUSPECTS, SYSTEM_PATH, Trust
from entrypoint.errors import Unusable

# The command that installs each program, for the message that reports it as missing.
BROUGHT_BY: Final = {
    "nginx": "apt-get install nginx-light",
    "uwsgi": "pip install 'entrypoint-toolkit[uwsgi]'",
    "gunicorn": "pip install 'entrypoint-toolkit[gunicorn]'",
    "uvicorn": "pip install 'entrypoint-toolkit[uvicorn]'",
    "granian": "pip install 'entrypoint-toolkit[granian]'",
    "supervisord": "pip install supervisor",
    "lego": "apt-get install lego",
    "openssl": "apt-get install openssl",
}
_RUN_BY_ROOT: Final = ("nginx", "supervisord", "lego", "openssl")
# These load the application into their own interpreter, so they must be installed for the application's interpreter.
_IN_APP_INTERPRETER: Final = ("gunicorn", "uvicorn", "granian")
# The folders of Debian's libnginx-mod-http-brotli-static and of nginx.org's images.
_BROTLI_MODULES: Final = tuple(
    PurePosixPath(folder, "ngx_http_brotli_static_module.so")
    for folder in ("/usr/lib/nginx/modules", "/etc/nginx/modules")
)


def programs(settings: Settings, python: PurePosixPath, trust: Trust) -> Mapping[str, PurePosixPath]:
    """Return the paths of the programs that are installed, by name. `python` is the application's interpreter."""
    beside = [str(python.parent)]
    anywhere = [*beside, str(Path(sys.executable).parent), *search_path(settings.environment, python).split(":")]
    anywhere += SYSTEM_PATH.split(":")
    found = {}
    for name in BROUGHT_BY:
        folders = beside if name in _IN_APP_INTERPRETER else anywhere
        if path := _program(name, folders, trust if name in _RUN_BY_ROOT else NO_SUSPECTS):
            found[name] = path
    return found


def _program(name: str, folders: Iterable[str], trust: Trust) -> PurePosixPath | None:
    """Return the path of a program in the first folder that has one without a fault in `trust`."""
    for folder in dict.fromkeys(folders):
        place = shutil.which(name, path=folder) if folder.startswith("/") else None
        if place and not trust.fault(place):
            return PurePosixPath(place)
    return None


def commands(settings: Settings, app_dir: Path, python: PurePosixPath) -> Mapping[str, PurePosixPath]:
    """Return the paths of the user programs' commands, by the program's name, where found."""
    path = search_path(settings.environment, python)
    found = {}
    for program in settings.chosen:
        word = program.command[0]
        where = str(app_dir / (program.directory or "") / word) if "/" in word else word
        if command := shutil.which(where, path=path):
            found[program.name] = PurePosixPath(command)
    return found


def search_path(environment: Mapping[str, str], python: PurePosixPath) -> str:
    """Return the PATH of the application's processes: the folder of its interpreter comes first."""
    path = environment.get("PATH", "/usr/local/bin:/usr/bin:/bin")
    return path if str(python.parent) in path.split(":") else f"{python.parent}:{path}"


def interpreter(settings: Settings, app_dir: Path) -> PurePosixPath:
    """Return the application's interpreter. Raises Unusable if ENTRYPOINT_PYTHON names none."""
    if settings.python:
        if not os.access(settings.python, os.X_OK):
            raise Unusable(f"cannot use ENTRYPOINT_PYTHON={settings.python}: it cannot be run")
        return settings.python
    virtual_env = settings.environment.get("VIRTUAL_ENV", "")
    for candidate in (Path(virtual_env or "/nonexistent", "bin/python"), app_dir / ".venv/bin/python"):
        if os.access(candidate, os.X_OK):
            return PurePosixPath(candidate)
    return PurePosixPath(sys.executable)


def nginx_build(nginx: PurePosixPath | None, environment: Mapping[str, str]) -> tuple[tuple[int, ...], str]:
    """Return nginx's version, and the options that it was built with; both are empty if nginx cannot be run."""
    try:
        output = subprocess.run(  # noqa: S603 -- a path that entrypoint found, no shell
            [str(nginx), "-V"], capture_output=True, text=True, check=False, env=environment
        ).stderr
    except OSError:
        return (), ""
    found = re.search(r"/(\d+)\.(\d+)\.(\d+)", output)
    return tuple(map(int, found.groups())) if found else (), output


def brotli_module(trust: Trust) -> PurePosixPath | None:
    """Return nginx's module for compressed files, if it is installed and root may load it."""
    usable = (path for path in _BROTLI_MODULES if os.path.exists(path) and not trust.fault(path))  # noqa: PTH110 -- a PurePath
    return next(usable, None)
