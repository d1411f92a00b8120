"""What is true of this machine and this application: read, never written."""

import os
import pwd
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import Final

from entrypoint.boot.facts.cgroup import Limits, read_limits
from entrypoint.boot.facts.hooks import Finder, Hooks
from entrypoint.boot.facts.templates import NGINX_CONF, read_templates
from entrypoint.boot.settings import textfile
from entrypoint.boot.settings.project_file import OWN, PYPROJECT
from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.settings.values import shown
from entrypoint.boot.trust.accounts import USUAL, Account, is_root, look_up
from entrypoint.boot.trust.trust import NO_SUSPECTS, SYSTEM_PATH, Trust
from entrypoint.errors import NotAllowed, Several, Unusable
from entrypoint.protocol import Application

# Who brings a program that is missing, in the words of the line that mends it.
BROUGHT_BY: Final = {
    "nginx": "apt-get install nginx-light",
    "uwsgi": "pip install 'entrypoint-toolkit[uwsgi]'",
    "gunicorn": "pip install 'entrypoint-toolkit[gunicorn]'",
    "uvicorn": "pip install 'entrypoint-toolkit[uvicorn]'",
    "granian": "pip install 'entrypoint-toolkit[granian]'",
    "supervisord": "pip install supervisor",
}

# Where Debian's libnginx-mod-http-brotli-static puts it, and where nginx.org's images look for it.
_BROTLI_MODULES: Final = tuple(
    PurePosixPath(folder, "ngx_http_brotli_static_module.so")
    for folder in ("/usr/lib/nginx/modules", "/etc/nginx/modules")
)
# They load the application into the interpreter that they are installed for: one beside another would not find it.
_OF_THE_APPLICATION: Final = ("gunicorn", "uvicorn", "granian")
_OURS: Final = PurePosixPath(sys.executable)
_RUN_BY_ROOT: Final = ("nginx", "supervisord")
_DROP_INS: Final = ("/etc/nginx/conf.d", "/etc/nginx/server.d")
_SUPERVISOR_FILES: Final = "/etc/supervisor/conf.d"
# The settings that decide what root runs or where it writes.
_STEERS_ROOT: Final = (
    *("ENTRYPOINT_USER", "ENTRYPOINT_RUN_DIR", "ENTRYPOINT_CONF_DIR", "ENTRYPOINT_HOOKS_DIR", "ENTRYPOINT_DATA_DIR"),
    *("NGINX_TLS_CERTIFICATE", "NGINX_TLS_KEY"),
)

_WELCOME: Final = re.compile(
    r"^\s*server_name\s+localhost;.*^\s*root\s+/usr/share/nginx/html;", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True)
class Machine:
    """What is true of the machine, the user and the file system."""

    root: bool
    account: Account
    app_dir: PurePosixPath
    django: bool  # whether there is a manage.py
    python: PurePosixPath
    programs: Mapping[str, PurePosixPath]  # the programs that are installed, by name
    limits: Limits  # of CPU and memory
    descriptors: int  # RLIMIT_NOFILE, soft
    backlog: int  # the longest queue that a listening socket may have (net.core.somaxconn)
    ipv6: bool
    own_run_dir: bool  # whether /run/entrypoint is ours to write
    temporary: PurePosixPath
    mime_types: bool
    trust: Trust = NO_SUSPECTS  # whose files root must not run or follow
    own_python: PurePosixPath = _OURS  # the interpreter that entrypoint is installed for
    own_path: str = SYSTEM_PATH  # the PATH of process 1: as root, of folders that root alone can write
    own_home: str = "/"  # the home of who we are
    most_descriptors: int = 1 << 20  # RLIMIT_NOFILE, hard
    http_files: tuple[PurePosixPath, ...] = ()  # the user's own, for nginx's http
    server_files: tuple[PurePosixPath, ...] = ()  # the user's own, for nginx's server
    nginx_version: tuple[int, ...] = ()
    gzip_static: bool = False  # whether this nginx can serve a file's .gz
    brotli_module: PurePosixPath | None = None  # what makes it serve a file's .br
    templates: Mapping[str, str] = field(default_factory=dict, repr=False)  # the user's own, by name
    hooks: Hooks = field(default_factory=Hooks)
    server_confs: Mapping[str, PurePosixPath] = field(default_factory=dict)  # the user's own whole files, by server
    lowest_port: int = 1024  # that an ordinary user may listen on
    # Of the programs of the user's own that run here, by the program's name:
    commands: Mapping[str, PurePosixPath] = field(default_factory=dict)  # where their commands are, if anywhere
    accounts: Mapping[str, Account] = field(default_factory=dict)  # the users that they name
    supervisor_files: Mapping[PurePosixPath, str] = field(default_factory=dict, repr=False)  # the user's own, as text

    @property
    def nginx_conf(self) -> str | None:
        """The user's own whole nginx.conf."""
        return self.templates.get(NGINX_CONF)


@dataclass(frozen=True)
class Facts:
    """All that a plan is made from, beside the settings; `application` is None where it is not Django."""

    machine: Machine
    application: Application | None


def read_machine(settings: Settings) -> Machine:
    """Look at the machine. Raises Unusable when the settings name a user, folder or interpreter that is not there."""
    app_dir = Path(settings.app_dir or Path.cwd())
    account = _account(settings)
    _enter(app_dir)
    # A project's file that says who the application runs as is not believed in that until it is known to be root's.
    usual = [None] if settings.origins.get("ENTRYPOINT_USER") in (PYPROJECT, OWN) else []
    trust = Trust.of([settings.user, *usual, *(own.user for own in settings.chosen if own.user)])
    Several.check(list(_distrusted(settings, app_dir, account, trust)))
    python = _python(settings, app_dir)
    beside = [str(Path(python).parent)]
    anywhere = [*beside, str(Path(sys.executable).parent), *search_path(settings.environment, python).split(":")]
    anywhere += SYSTEM_PATH.split(":")
    found = {
        name: _program(
            name, beside if name in _OF_THE_APPLICATION else anywhere, trust if name in _RUN_BY_ROOT else NO_SUSPECTS
        )
        for name in BROUGHT_BY
    }
    nginx_version, gzip_static = _nginx_build(found["nginx"], trust.environment(settings.environment))
    return Machine(
        root=is_root(),
        account=account,
        app_dir=PurePosixPath(app_dir),
        django=(app_dir / "manage.py").is_file(),
        python=python,
        programs={name: path for name, path in found.items() if path},
        limits=read_limits(Path("/"), len(os.sched_getaffinity(0))),
        descriptors=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        backlog=_number(Path("/proc/sys/net/core/somaxconn"), 128),  # what Linux had for the longest time
        ipv6=_has_ipv6(),
        own_run_dir=_writable(Path("/run/entrypoint")),
        temporary=_temporary(settings.environment, trust),
        mime_types=Path("/etc/nginx/mime.types").is_file(),
        trust=trust,
        own_path=trust.environment({"PATH": search_path(settings.environment, python)})["PATH"],
        own_home=pwd.getpwuid(0).pw_dir if is_root() else settings.environment.get("HOME", "/"),
        most_descriptors=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        http_files=drop_ins(Path(_DROP_INS[0])),
        server_files=drop_ins(Path(_DROP_INS[1])),
        nginx_version=nginx_version,
        gzip_static=gzip_static,
        brotli_module=next((path for path in _BROTLI_MODULES if os.path.exists(path)), None),  # noqa: PTH110 -- a PurePath
        templates=read_templates(Path(settings.conf_dir)) if settings.conf_dir else {},
        hooks=_hooks(settings, app_dir, python, account, trust),
        server_confs=dict(_server_confs(settings.environment, app_dir)),
        lowest_port=_number(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start"), 1024),
        commands=_commands(settings, app_dir, python),
        accounts=_accounts(settings, app_dir),
        supervisor_files=_supervisor_files(Path(_SUPERVISOR_FILES)),
    )


def _distrusted(settings: Settings, app_dir: Path, account: Account, trust: Trust) -> Iterator[NotAllowed | Unusable]:
    """Yield what root must not use, since one of the container's users can write it."""
    if not trust.suspects:
        return
    for place in dict.fromkeys((sys.executable, *sys.path)):
        if fault := trust.fault(place):
            why = "install entrypoint-toolkit where root alone can write, or let the container run as that user"
            yield NotAllowed(f"cannot run as root from {place}: {fault}; {why}")
    yield from _raised(settings, app_dir, account, trust)
    read_by_root = {
        "ENTRYPOINT_RUN_DIR": settings.run_dir,
        "ENTRYPOINT_CONF_DIR": settings.conf_dir,
        "NGINX_TLS_CERTIFICATE": settings.tls_certificate,
        "NGINX_TLS_KEY": settings.tls_key,
    }
    own: dict[str, PurePath] = {f"{name}={path}": path for name, path in read_by_root.items() if path}
    if settings.conf_dir:
        own |= {str(path): path for path in Path(settings.conf_dir).glob("*")}
    for folder in (*_DROP_INS, _SUPERVISOR_FILES):
        own |= {str(path): path for path in sorted(Path(folder).glob("*.conf"))}
    for what, path in own.items():
        if fault := trust.fault(path):
            yield NotAllowed(f"cannot use {what} as root: {fault}; `chown root` and `chmod go-w` mend that")


def _raised(settings: Settings, app_dir: Path, account: Account, trust: Trust) -> Iterator[Unusable]:
    """Yield what a project's file must not set if the application's user can write that file: what steers root."""
    for file in (PYPROJECT, OWN):
        fault = trust.fault(app_dir / file)
        if fault is None:
            continue
        for name in _STEERS_ROOT:
            if settings.origins.get(name) == file:
                key = name.lower().removeprefix("entrypoint_")
                yield Unusable(f"cannot use {key} in {file}: it steers what root does, and {fault}; set {name}")
        for own in settings.chosen:
            if own.file == file and own.user and not _is(account, own.user):
                mend = f"chown the file to root, or run {own.name} as {account}"
                yield Unusable(f"cannot use {own.told('user')}: {fault}; {mend}")


def _is(account: Account, user: str) -> bool:
    try:
        return look_up(user).uid == account.uid
    except ValueError:
        return True  # that there is no such user is reported elsewhere


def _enter(app_dir: Path) -> None:
    try:
        os.stat(f"{app_dir}/.")  # noqa: PTH116 -- a Path drops the dot, for which the folder has to be entered
    except PermissionError as error:
        raise NotAllowed(f"cannot enter {shown(str(app_dir))} as uid {os.geteuid()}: {error.strerror}") from error
    except OSError as error:
        raise Unusable(f"cannot use ENTRYPOINT_APP_DIR={shown(str(app_dir))}: there is no such folder") from error


def _hooks(settings: Settings, app_dir: Path, python: PurePosixPath, account: Account, trust: Trust) -> Hooks:
    modules = settings.environment.get("PYTHONPATH", "")
    other = account if is_root() and account.uid != 0 else None
    finder = Finder(Path(settings.hooks_dir), app_dir, python, modules, is_root(), other, trust)
    return finder.find(required="ENTRYPOINT_HOOKS_DIR" in settings.origins)


def _account(settings: Settings) -> Account:
    wanted = settings.user or (USUAL if is_root() else str(os.geteuid()))
    try:
        return look_up(wanted)
    except ValueError as error:
        raise Unusable(f"cannot run the application as {wanted}: {error}") from None


def _accounts(settings: Settings, app_dir: Path) -> Mapping[str, Account]:
    """Return the users that programs of the user's own name. Raises Unusable for each that is none, or folder."""
    found = {}
    problems = []
    for own in settings.chosen:
        if own.directory and not (app_dir / own.directory).is_dir():
            problems.append(f"cannot use {own.told('directory')}: there is no such folder")
        if own.user:
            try:
                found[own.name] = look_up(own.user)
            except ValueError as error:
                problems.append(f"cannot use {own.told('user')}: {error}")
    Unusable.check(problems)
    return found


def _commands(settings: Settings, app_dir: Path, python: PurePosixPath) -> Mapping[str, PurePosixPath]:
    path = search_path(settings.environment, python)
    found = {}
    for own in settings.chosen:
        word = own.command[0]
        where = shutil.which(str(app_dir / (own.directory or "") / word) if "/" in word else word, path=path)
        if where:
            found[own.name] = PurePosixPath(where)
    return found


def search_path(environment: Mapping[str, str], python: PurePosixPath) -> str:
    """Return the PATH of the application's processes: its own interpreter's folder first."""
    path = environment.get("PATH", "/usr/local/bin:/usr/bin:/bin")
    return path if str(python.parent) in path.split(":") else f"{python.parent}:{path}"


def _supervisor_files(folder: Path) -> Mapping[PurePosixPath, str]:
    """Return the user's own files of supervisord's configuration, in supervisord's order, with their texts."""
    found = {}
    problems = []
    for path in sorted(folder.glob("*.conf")):
        try:
            found[PurePosixPath(path)] = textfile.read(path)
        except ValueError as error:
            problems.append(f"cannot read {path}: {error}")
    Unusable.check(problems)
    return found


def _python(settings: Settings, app_dir: Path) -> PurePosixPath:
    if settings.python:
        if not os.access(settings.python, os.X_OK):
            raise Unusable(f"cannot use ENTRYPOINT_PYTHON={settings.python}: it cannot be run")
        return settings.python
    virtual_env = settings.environment.get("VIRTUAL_ENV", "")
    for candidate in (Path(virtual_env or "/nonexistent", "bin/python"), app_dir / ".venv/bin/python"):
        if os.access(candidate, os.X_OK):
            return PurePosixPath(candidate)
    return PurePosixPath(sys.executable)


def _server_confs(environ: Mapping[str, str], app_dir: Path) -> Iterator[tuple[str, PurePosixPath]]:
    """Yield the user's own whole files for application servers; a UWSGI_INI that is no file is uWSGI's to judge."""
    for server, conf in (
        ("uwsgi", app_dir / (environ.get("UWSGI_INI") or "uwsgi.ini")),
        ("gunicorn", app_dir / "gunicorn.conf.py"),
    ):
        if os.path.isfile(conf):  # noqa: PTH113 -- Path.is_file raises where the name is too long
            yield server, PurePosixPath(conf)


def _program(name: str, folders: Iterable[str], trust: Trust) -> PurePosixPath | None:
    """Return where a program is: in the first of the folders that has one which `trust` finds no fault with."""
    for folder in dict.fromkeys(folders):
        place = shutil.which(name, path=folder) if folder.startswith("/") else None
        if place and not trust.fault(place):
            return PurePosixPath(place)
    return None


def _nginx_build(nginx: PurePosixPath | None, environment: Mapping[str, str]) -> tuple[tuple[int, ...], bool]:
    """Return the numbers of nginx's version, and whether it has gzip_static; neither where it cannot say."""
    try:
        said = subprocess.run(  # noqa: S603 -- found by ourselves, no shell
            [str(nginx), "-V"], capture_output=True, text=True, check=False, env=environment
        ).stderr
    except OSError:
        return (), False
    found = re.search(r"/(\d+)\.(\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else (), "--with-http_gzip_static_module" in said


def drop_ins(folder: Path) -> tuple[PurePosixPath, ...]:
    """Return the files of nginx's configuration in a folder, in nginx's order, but not the one that nginx.org brings.

    That one, default.conf, is a site of its own: it shows a page of welcome to whoever asks for localhost.
    Raises Unusable for each that is not a regular file: nginx would wait for whoever writes to a FIFO.
    """
    found = sorted(folder.glob("*.conf"))
    special = (path for path in found if os.path.exists(path) and not os.path.isfile(path))  # noqa: PTH110, PTH113 -- Path's may raise
    Unusable.check(f"cannot use {path}: it is not a regular file" for path in special)
    return tuple(PurePosixPath(path) for path in found if path.name != "default.conf" or not _welcomes(path))


def _welcomes(path: Path) -> bool:
    try:
        return bool(_WELCOME.search(textfile.read_bytes(path).decode(errors="replace")))
    except (OSError, ValueError):
        return False  # whatever it is, nginx will say that it cannot read it


def _has_ipv6() -> bool:
    try:
        return bool(Path("/proc/net/if_inet6").read_text(encoding="ascii"))
    except OSError:
        return False


def _number(path: Path, otherwise: int) -> int:
    try:
        return int(path.read_text(encoding="ascii"))
    except OSError:
        return otherwise


def _writable(path: Path) -> bool:
    return os.access(path if path.exists() else path.parent, os.W_OK | os.X_OK)


def _temporary(environ: Mapping[str, str], trust: Trust) -> PurePosixPath:
    """Return the first folder for temporary files that can be written; a read-only container still has /dev/shm."""
    for folder in (environ.get("TMPDIR", ""), "/tmp", "/var/tmp", "/dev/shm"):  # noqa: S108 -- where tempfile would look, and one more
        if folder.startswith("/") and os.access(folder, os.W_OK | os.X_OK) and not trust.fault(folder):
            return PurePosixPath(folder)
    return PurePosixPath("/tmp")  # noqa: S108 -- what cannot be written is told by the step that writes
