"""The example in an image that mostly belongs to the application's user, and the files that this user may leave there.

`plants` are files of that user's own. Each, when it is run or imported, leaves a file in /trace that is named for its
kind and belongs to whom it ran as. `REFUSED` are project files that ask for more than that user may.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from docker_engine import ROOT

HOME: Final = "/home/app"
SITE: Final = f"{HOME}/site"
_CONTEXT: Final = Path(__file__).parent / "container/untrusted"

_RECORD: Final = 'import os; os.waitpid(os.posix_spawn("/opt/record", ["/opt/record", "{kind}"], {{}}), 0)\n'
_MODULE: Final = (
    _RECORD
    + """
import importlib
import sys

# From here on it is what it is taken for.
here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
path = list(sys.path)
sys.path[:] = [place for place in path if os.path.abspath(place or ".") != here]
del sys.modules[__name__]
importlib.import_module(__name__)
sys.path[:] = path
"""
)
_PROGRAM: Final = '#!/bin/sh\n/opt/record {kind}\nexec {real} "$@"\n'


@dataclass(frozen=True)
class Plant:
    """A file of the application's user. `by_hand` runs it in /bin/sh if a boot does not."""

    kind: str
    path: str
    text: str
    by_hand: str = "true"


def _module(kind: str, folder: str, name: str) -> Plant:
    by_hand = f"cd {folder} && /usr/local/bin/python3 -c 'import {name}'"
    return Plant(kind, f"{folder}/{name}/__init__.py", _MODULE.format(kind=kind), by_hand)


def _program(folder: str, name: str, real: str, *, kind: str = "program") -> Plant:
    path = f"{folder}/{name}"
    return Plant(f"{kind}-{name}", path, _PROGRAM.format(kind=f"{kind}-{name}", real=real), f"{path} --version")


def plants(python: str) -> tuple[Plant, ...]:
    """Return all plants, for a version of Python such as 3.13."""
    packages = f"{HOME}/.local/lib/python{python}/site-packages"
    programs = {
        "date": "/usr/bin/date",
        "entrypoint": "/usr/local/bin/entrypoint",
        "env": "/usr/bin/env",
        "nginx": "/usr/sbin/nginx",
        "python": f"/usr/local/bin/python{python}",
        "setpriv": "/usr/bin/setpriv",
        "sh": "/bin/sh",
        "supervisorctl": "/usr/local/bin/supervisorctl",
        "supervisord": "/usr/local/bin/supervisord",
        "uwsgi": "/usr/local/bin/uwsgi",
    }
    run_python = f"cd / && HOME={HOME} /usr/local/bin/python3 -c pass"
    return (
        Plant("user-pth", f"{packages}/planted.pth", _RECORD.format(kind="user-pth"), run_python),
        Plant("usercustomize", f"{packages}/usercustomize.py", _RECORD.format(kind="usercustomize"), run_python),
        Plant("sitecustomize", f"{HOME}/lib/sitecustomize.py", _RECORD.format(kind="sitecustomize"), run_python),
        *(
            _module(f"pythonpath-{name}", f"{HOME}/lib", name)
            for name in ("click", "entrypoint", "jinja2", "supervisor")
        ),
        *(_module(f"folder-{name}", SITE, name) for name in ("click", "entrypoint", "supervisor")),
        *(_program(f"{SITE}/.venv/bin", name, real) for name, real in programs.items()),
        Plant(
            "exported-sitecustomize",
            f"{HOME}/exported/sitecustomize.py",
            _RECORD.format(kind="exported-sitecustomize"),
            f"PYTHONPATH={HOME}/exported /usr/local/bin/python3 -c pass",
        ),
        *(
            _program(f"{HOME}/exported/bin", name, programs[name], kind="exported")
            for name in ("date", "env", "nginx", "sh", "supervisord")
        ),
        Plant("prestart", f"{SITE}/prestart.sh", "/opt/record prestart\n", f"/bin/sh {SITE}/prestart.sh"),
        Plant(
            "imported-by-a-hook",
            f"{SITE}/planted_for_a_hook.py",
            _RECORD.format(kind="imported-by-a-hook"),
            f"cd {SITE} && /usr/local/bin/python3 -c 'import planted_for_a_hook'",
        ),
        Plant("uwsgi-ini", f"{SITE}/uwsgi.ini", "[uwsgi]\nexec-pre-app = /opt/record uwsgi-ini\n"),
        Plant("procfile", f"{SITE}/Procfile", "planted: /bin/sh -c '/opt/record procfile; exec /usr/bin/sleep 3600'\n"),
        Plant(
            "project-program",
            f"{SITE}/pyproject.toml",
            "[tool.entrypoint.programs.worker]\n"
            'command = ["/bin/sh", "-c", "/opt/record project-program; exec /usr/bin/sleep 3600"]\n',
        ),
        Plant(
            "settings",
            f"{SITE}/config/settings/production.py",
            _RECORD.format(kind="settings") + (ROOT / "examples/django/config/settings/production.py").read_text(),
        ),
    )


_HOOKS: Final = "/docker-entrypoint.d"

OWN_HOOKS: Final = {
    "own-pre-migrate-hook": f"{_HOOKS}/pre-migrate.d/20-own.sh",
    "own-early-sourced-hook": f"{_HOOKS}/pre-migrate.d/20-own.envsh",
    "own-post-migrate-hook": f"{_HOOKS}/post-migrate.d/20-own.sh",
    "own-hook": f"{_HOOKS}/20-own.sh",
    "own-python-hook": f"{_HOOKS}/20-own.py",
    "own-sourced-hook": f"{_HOOKS}/20-own.envsh",
    "own-pre-stop-hook": f"{_HOOKS}/pre-stop.d/20-own.sh",
}
"""The hooks that belong to the application's user from the beginning, by their kinds."""


@dataclass(frozen=True)
class Refusal:
    """A project file of the application's user that a boot refuses."""

    name: str
    text: str
    code: int
    line: str
    file: str = "pyproject.toml"


_RUN_AS_ROOT: Final = 'command = ["/bin/sh", "-c", "/opt/record refused; exec /usr/bin/sleep 3600"]'

REFUSED: Final = (
    Refusal("a-user", '[tool.entrypoint]\nuser = "root"\n', 78, "user"),
    Refusal("a-run-directory", f'[tool.entrypoint]\nrun_dir = "{HOME}/run"\n', 78, "run_dir"),
    Refusal("a-conf-directory", f'[tool.entrypoint]\nconf_dir = "{HOME}/empty"\n', 78, "conf_dir"),
    Refusal("a-hooks-directory", f'[tool.entrypoint]\nhooks_dir = "{HOME}/empty"\n', 78, "hooks_dir"),
    Refusal("a-programs-user", f'[tool.entrypoint.programs.worker]\nuser = "root"\n{_RUN_AS_ROOT}\n', 78, "user"),
    Refusal("a-file-of-its-own", f'[programs.worker]\nuser = "root"\n{_RUN_AS_ROOT}\n', 78, "user", "entrypoint.toml"),
    Refusal(
        "a-log-file-of-roots",
        '[tool.entrypoint.programs.worker]\nlog = "file:/etc/cron.d/worker"\ncommand = "/usr/bin/sleep 3600"\n',
        78,
        "file:/etc/cron.d/worker",
    ),
)  # fmt: skip

LED_ASTRAY: Final = {
    "the database": (f"{SITE}/data/db.sqlite3", "file"),
    "the folder of the database": (f"{SITE}/data", "folder"),
    "the folder of static files": (f"{SITE}/static_root", "folder"),
    "the key": (f"{HOME}/keys/secret_key", "file"),
    "the folder of the key": (f"{HOME}/keys", "folder"),
    "the project's file": (f"{SITE}/pyproject.toml", "file"),
    "the Procfile": (f"{SITE}/Procfile", "file"),
    "the environment's file": (f"{SITE}/.env", "file"),
    "the manage.py": (f"{SITE}/manage.py", "file"),
    "the prestart.sh": (f"{SITE}/prestart.sh", "file"),
    "the interpreter": (f"{SITE}/.venv/bin/python", "file"),
    "the application": (SITE, "folder"),
}
"""What a boot may look for before there is anything else: each as a link to a file or folder that is root's."""


def context(folder: Path, python: str) -> Path:
    """Write the build context of the image; return its folder."""
    shutil.copytree(_CONTEXT, folder, dirs_exist_ok=True)
    shutil.copytree(ROOT / "examples/django", folder / "site", ignore=shutil.ignore_patterns("__pycache__", "data"))
    (folder / "opt/refused").mkdir()
    for refusal in REFUSED:
        (folder / "opt/refused" / refusal.name).write_text(refusal.text)
    for plant in plants(python):
        path = folder / "opt/plants" / plant.path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(plant.text)
        path.chmod(0o755)
    return folder


def by_hand(python: str) -> str:
    """Return a script of the shell that runs each plant, and each hook."""
    hooks = (f"{'/usr/local/bin/python3' if path.endswith('.py') else '/bin/sh'} {path}" for path in OWN_HOOKS.values())
    commands = (*(plant.by_hand for plant in plants(python)), *hooks)
    return "\n".join(f"({command}) </dev/null" for command in commands)
