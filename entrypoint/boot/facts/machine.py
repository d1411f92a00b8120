"""The facts about this machine: its users, limits, installed programs and files."""

import os
import pwd
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from entrypoint.boot.facts import certificates, installed, maintenance, unsafe_paths, user_files
from entrypoint.boot.facts.cgroup import Limits, read_limits
from entrypoint.boot.facts.hooks import Finder, Hooks
from entrypoint.boot.facts.maintenance import Allowed
from entrypoint.boot.facts.templates import NGINX_CONF, read_beside_app, read_templates
from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.settings.sources.project_file import OWN, PYPROJECT
from entrypoint.boot.settings.types.values import shown
from entrypoint.boot.trust.accounts import USUAL, Account, fault_of_root, is_root, look_up
from entrypoint.boot.trust.trust import NO_SUSPECTS, SYSTEM_PATH, Trust
from entrypoint.errors import NotAllowed, Several, Unusable
from entrypoint.processes.control_group import text as kernel_text
from entrypoint.protocol.agent import Application

_ENTRYPOINT_PYTHON: Final = PurePosixPath(sys.executable)
NO_LIMIT: Final = sys.maxsize
"""A limit that is infinite. RLIM_INFINITY is -1, which would compare as the smallest."""
_SERVED: Final = PurePosixPath(__file__).parents[2] / "app" / "served"


@dataclass(frozen=True)
class Machine:
    """Facts about the machine, the user and the file system."""

    root: bool
    account: Account
    app_dir: PurePosixPath
    django: bool  # whether manage.py exists
    python: PurePosixPath
    programs: Mapping[str, PurePosixPath]  # the installed programs, by name
    limits: Limits  # of CPU and memory
    descriptors: int  # RLIMIT_NOFILE, soft; NO_LIMIT if it is infinite
    backlog: int  # the longest queue of a listening socket (net.core.somaxconn)
    ipv6: bool
    own_run_dir: bool  # whether this process can write /run/entrypoint
    temporary: PurePosixPath
    mime_types: bool
    trust: Trust = NO_SUSPECTS  # the users whose files root must not run or follow
    own_python: PurePosixPath = _ENTRYPOINT_PYTHON  # the interpreter that entrypoint is installed for
    served: PurePosixPath = _SERVED  # our modules for the application server, which runs the application's interpreter
    own_path: str = SYSTEM_PATH  # the PATH of process 1; for root, only folders that only root can write
    own_home: str = "/"  # the home of the current user
    most_descriptors: int = 1 << 20  # RLIMIT_NOFILE, hard; NO_LIMIT if it is infinite
    http_files: tuple[PurePosixPath, ...] = ()  # the user's configuration files for nginx's http block
    server_files: tuple[PurePosixPath, ...] = ()  # the user's configuration files for nginx's server block
    nginx_names: tuple[str, ...] = ()  # of the files and folders in /etc/nginx
    nginx_version: tuple[int, ...] = ()
    gzip_static: bool = False  # whether this nginx can serve a file's .gz
    stub_status: bool = True  # whether this nginx can tell how many connections it has
    brotli_module: PurePosixPath | None = None  # the module that serves a file's .br
    templates: Mapping[str, str] = field(default_factory=dict, repr=False)  # the user's templates, by name
    app_nginx_conf: PurePosixPath | None = None  # the file of `nginx_conf`, if it lies in the application's folder
    hooks: Hooks = field(default_factory=Hooks)
    # The user's complete configuration files, by server:
    server_confs: Mapping[str, PurePosixPath] = field(default_factory=dict)
    container: bool = False  # whether it is a container, whose ports are published under other addresses
    maintenance: Allowed | None = None  # who may use the site in a maintenance that outlives containers
    private_root: bool = True  # whether NGINX_PRIVATE_ROOT, if it is set, is a folder
    stapling: bool = False  # whether the certificate that nginx has at its start names an OCSP responder
    kept_certificate: bool = False  # whether ENTRYPOINT_DATA_DIR has a certificate for one of NGINX_TLS_DOMAIN
    lowest_port: int = 1024  # the lowest port that an ordinary user may listen on
    # For the user programs that run in this container, by the program's name:
    commands: Mapping[str, PurePosixPath] = field(default_factory=dict)  # the paths of their commands, where found
    accounts: Mapping[str, Account] = field(default_factory=dict)  # the users that they run as, where set
    supervisor_files: Mapping[PurePosixPath, str] = field(default_factory=dict, repr=False)  # their texts

    @property
    def nginx_conf(self) -> str | None:
        """The text of the user's complete nginx.conf."""
        return self.templates.get(NGINX_CONF)


@dataclass(frozen=True)
class Facts:
    """Everything from which a plan is made, besides the settings. `application` is None if it is not Django."""

    machine: Machine
    application: Application | None
    second_socket: bool = False
    """Whether the application server listens on its second socket, because the running one uses the first."""


def read_machine(settings: Settings) -> Machine:
    """Collect the facts. Raises Unusable if the settings name a user, folder or interpreter that does not exist."""
    app_dir = Path(settings.app_dir or Path.cwd())
    account = _account(settings)
    _enter(app_dir)
    # www-data stays a suspect if the project's file names the user, because it may be able to write that file.
    named_by = {settings.origins.get(name) for name in ("ENTRYPOINT_USER", "PUID")}
    usual = [None] if named_by & {PYPROJECT, OWN} else []
    owner = [settings.owner, None] if settings.owner else []
    of_programs = [program.user for program in settings.chosen if program.user]
    trust = Trust.of([settings.user or settings.owner, *usual, *owner, *of_programs])
    Several.check(list(unsafe_paths.find(settings, app_dir, account, trust)))
    python = installed.interpreter(settings, app_dir)
    programs = installed.programs(settings, python, trust)
    templates = read_templates(Path(settings.conf_dir)) if settings.conf_dir else {}
    beside_app = read_beside_app(app_dir, trust) if settings.tiangolo and NGINX_CONF not in templates else {}
    nginx_version, modules = installed.nginx_build(programs.get("nginx"), trust.environment(settings.environment))
    kept, own = certificates.kept(settings), certificates.own(settings)
    soft, hard = limits_of(resource.RLIMIT_NOFILE)
    return Machine(
        root=is_root(),
        account=account,
        app_dir=PurePosixPath(app_dir),
        django=(app_dir / "manage.py").is_file(),
        python=python,
        programs=programs,
        limits=read_limits(Path("/"), len(os.sched_getaffinity(0))),
        descriptors=soft,
        backlog=int(kernel_text(Path("/proc/sys/net/core/somaxconn")) or 128),  # Linux's default before 5.4
        ipv6=bool(kernel_text(Path("/proc/net/if_inet6"))),
        own_run_dir=_writable(Path("/run/entrypoint")),
        temporary=_temporary(settings.environment, trust),
        mime_types=Path("/etc/nginx/mime.types").is_file(),
        trust=trust,
        own_path=trust.environment({"PATH": installed.search_path(settings.environment, python)})["PATH"],
        own_home=pwd.getpwuid(0).pw_dir if is_root() else settings.environment.get("HOME", "/"),
        most_descriptors=hard,
        http_files=user_files.nginx_files(user_files.HTTP_FOLDER),
        server_files=user_files.nginx_files(user_files.SERVER_FOLDER),
        nginx_names=user_files.names_of_nginx(),
        nginx_version=nginx_version,
        gzip_static="--with-http_gzip_static_module" in modules,
        stub_status="--with-http_stub_status_module" in modules,
        brotli_module=installed.brotli_module(trust),
        templates={**templates, **beside_app},
        app_nginx_conf=PurePosixPath(app_dir, NGINX_CONF) if beside_app else None,
        hooks=_hooks(settings, app_dir, python, account, trust),
        server_confs=dict(user_files.app_server_files(settings.environment, app_dir)),
        container=_is_container(settings.environment),
        private_root=settings.private_root is None or os.path.isdir(settings.private_root),  # noqa: PTH112 -- a PurePath
        stapling=bool(kept and kept.responder) or bool(own and own.responder),
        kept_certificate=kept is not None,
        lowest_port=int(kernel_text(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")) or 1024),
        commands=installed.commands(settings, app_dir, python),
        accounts=_accounts(settings, app_dir),
        supervisor_files=user_files.supervisor_files(),
        maintenance=maintenance.read(settings, trust),
    )


def limits_of(kind: int) -> tuple[int, int]:
    """Return the soft and the hard limit of a resource, such as RLIMIT_NOFILE."""
    soft, hard = (NO_LIMIT if each == resource.RLIM_INFINITY else each for each in resource.getrlimit(kind))
    return soft, hard


def _enter(app_dir: Path) -> None:
    try:
        os.stat(f"{app_dir}/.")  # noqa: PTH116 -- the dot makes the kernel enter the folder; a Path drops it
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
    wanted = settings.user or settings.owner or (USUAL if is_root() else str(os.geteuid()))
    try:
        account = look_up(wanted)
    except ValueError as error:
        raise Unusable(f"cannot run the application as {wanted}: {error}") from None
    if fault := fault_of_root(account):
        raise NotAllowed(f"cannot run the application as {account}: {fault}")
    return account


def _accounts(settings: Settings, app_dir: Path) -> Mapping[str, Account]:
    """Return the accounts of the user programs. Raises Unusable for each user and folder that does not exist."""
    found = {}
    problems = []
    for program in settings.chosen:
        if program.directory and not (app_dir / program.directory).is_dir():
            problems.append(f"cannot use {program.describe('directory')}: there is no such folder")
        if program.user:
            try:
                found[program.name] = look_up(program.user)
            except ValueError as error:
                problems.append(f"cannot use {program.describe('user')}: {error}")
    Unusable.check(problems)
    return found


def _is_container(environment: Mapping[str, str]) -> bool:
    """Return whether Docker, Podman or Kubernetes runs this process; each leaves its own mark."""
    marks = any(os.path.exists(mark) for mark in ("/.dockerenv", "/run/.containerenv"))  # noqa: PTH110 -- 0.1 ms less
    return marks or "KUBERNETES_SERVICE_HOST" in environment or bool(environment.get("container"))


def _writable(path: Path) -> bool:
    return os.access(path if path.exists() else path.parent, os.W_OK | os.X_OK)


def _temporary(environ: Mapping[str, str], trust: Trust) -> PurePosixPath:
    """Return the first writable folder for temporary files; a read-only container still has /dev/shm."""
    for folder in (environ.get("TMPDIR", ""), "/tmp", "/var/tmp", "/dev/shm"):  # noqa: S108 -- the folders of tempfile, and /dev/shm
        if folder.startswith("/") and os.access(folder, os.W_OK | os.X_OK) and not trust.fault(folder):
            return PurePosixPath(folder)
    return PurePosixPath("/tmp")  # noqa: S108 -- the step that writes reports the error
