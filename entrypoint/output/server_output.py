"""The output of application servers at their start: which lines to drop, and why the application did not load.

boot reads the output of a server that has ended before the exec, supervisord's plugin that of a server that it runs.
"""

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Final

from entrypoint.protocol.supervision import ApplicationConfig

# Only lines that are known are dropped: a new version of uWSGI may print more, and that is shown.
_BEGIN: Final = (b"[uWSGI] getting ", b"*** Starting uWSGI ")
_AS_ROOT: Final = b"*** WARNING: you are running uWSGI as root !!!"  # up to six times in one start
_END: Final = b"*** Operational MODE: "
_BANNER: Final = (
    *_BEGIN,
    b"compiled with version: ",
    b"os: ",
    b"nodename: ",
    b"machine: ",
    b"clock source: ",
    b"pcre jit ",
    b"detected number of CPU cores: ",
    b"current working directory: ",
    b"detected binary path: ",
    b"chdir() to ",
    b"your processes number limit is ",
    b"your memory page size is ",
    b"detected max file descriptor number: ",
    b"lock engine: ",
    b"thunder lock: ",
    b"uwsgi socket ",
    b"[uwsgi-static] added mapping for ",
    b"PEP 405 virtualenv detected: ",
    b"Set PythonHome to ",
    b"Python version: ",
    b"--- Python VM already initialized ---",
    b"Python main interpreter initialized at ",
    b"python threads support enabled",
    b"your server socket listen backlog is limited to ",
    b"your mercy for graceful operations on workers is ",
    b"mapped ",
    _END,
)
# nginx reads a request's body before it passes the request on, so a slow upload does not keep uWSGI waiting.
_VOID_BEHIND_NGINX: Final = b" *** WARNING: you have enabled harakiri without post buffering. "
# Lines after the banner. The application prints here too, so both the beginning and the end of a line must match.
_START: Final = (
    (b"added ", b" to pythonpath."),
    (b'running "call:PyRun_SimpleString import gc; gc.', b" app)..."),
    (b'running "call:PyRun_SimpleString import entrypoint_logging; ', b" (post app)..."),
    (b'running "unix_signal:15 gracefully_kill_them_all"', b" (master-start)..."),
    (b"WSGI app 0 (mountpoint='') ready in ", b" (default app)"),
    (b"uWSGI running as root, you can use ", b" options"),  # a warning follows
    (b"*** Stats server enabled on ", b" ***"),
    (b"spawned uWSGI master process (pid: ", b")"),
    (b"spawned uWSGI worker ", b")"),
)
_TROUBLE: Final = (b"Traceback (most recent call last):", b'  File "', b"unable to load app ")
_TRACEBACK: Final = "Traceback (most recent call last):"
# Not compiled here: most starts succeed and need none of these.
_ERROR: Final = rb"[A-Za-z_][\w.]*Error: "
_FRAME: Final = r'  File "(?P<path>[^"]+)", line (?P<line>\d+)'
_LOADING: Final = r", in (import_app|import_from_string|load_target)$"
"""The functions of gunicorn, uvicorn and granian that load the application."""
_NO_APP: Final = "unable to load app 0 "
_UVICORN: Final = r"ERROR: +Error loading ASGI app\. (.+)"
_WORKER_ENDED: Final = rb"INFO: +Child process \[\d+\] died$|\[ERROR\] Unexpected exit from worker-\d+$"
"""How uvicorn and granian report that a worker has ended. They start another one."""


class Banner:
    """The lines of one start of uWSGI that a user need not read."""

    def __init__(self, application: ApplicationConfig) -> None:
        self._behind_nginx = application.behind_nginx
        self._uwsgi = application.server == "uwsgi"
        self._inside = False
        self._warned = False

    def has(self, line: bytes) -> bool:
        """Return whether the next line of the server belongs to the banner."""
        if not self._uwsgi:
            return False
        if line.startswith(_AS_ROOT):
            self._warned, known = True, self._warned
            return known
        if self._inside:
            self._inside = not line.startswith(_END)
            if line.startswith(_BANNER) or (self._behind_nginx and line.startswith(_VOID_BEHIND_NGINX)):
                return True
        elif line.startswith(_BEGIN):
            self._inside = True
            return True
        return any(line.startswith(begin) and line.endswith(end) for begin, end in _START)


def is_trouble(line: bytes) -> bool:
    """Return whether the line may begin the report of an application that cannot be loaded."""
    return line.startswith(_TROUBLE) or (b"Error: " in line and re.match(_ERROR, line) is not None)


def is_end_of_worker(line: bytes) -> bool:
    """Return whether the server, which runs on, reports that a worker has ended."""
    return re.match(_WORKER_ENDED, line) is not None


def failure(application: ApplicationConfig, output: Sequence[bytes]) -> str | None:
    """Return why a server, or its worker, that has ended could not load the application; None if that is not known."""
    lines = [line.decode(errors="replace") for line in output]
    if application.server == "uwsgi" and not any(line.startswith(_NO_APP) for line in lines):
        return None
    why = _raised(lines, application) or _not_found(lines, application)
    return f"cannot load the application {application.module}: {why}" if why else None


def _raised(lines: Sequence[str], application: ApplicationConfig) -> str:
    """Return the last exception of a traceback, and the last place in the application's folder."""
    begins = [at for at, line in enumerate(lines) if line.strip() == _TRACEBACK]
    if not begins:  # uWSGI prints a SyntaxError without that line
        begins = [at - 1 for at, line in enumerate(lines) if re.match(_FRAME, line)][:1]
    if not begins:
        return ""
    block = lines[begins[-1] + 1 :]
    if application.server != "uwsgi" and not any(re.search(_LOADING, line) for line in block):
        return ""  # the server itself has failed
    frames = [(at, found) for at, line in enumerate(block) if (found := re.match(_FRAME, line))]
    after = block[frames[-1][0] + 1 :] if frames else block
    raised = next((line.strip() for line in after if line and not line[0].isspace()), "")
    own = [
        found
        for _, found in frames
        if PurePath(found["path"]).is_relative_to(application.folder) and "/site-packages/" not in found["path"]
    ]
    if not raised or not own:
        return raised
    return f"{raised} ({PurePath(own[-1]['path']).relative_to(application.folder)}, line {own[-1]['line']})"


def _not_found(lines: Sequence[str], application: ApplicationConfig) -> str:
    """Return that there is no such module or callable: uWSGI and uvicorn print no traceback then."""
    hint = f"correct {application.setting}"
    for before, line in zip(["", *lines], lines, strict=False):
        if found := re.match(_UVICORN, line):
            return f"{found[1].rstrip('.')}; {hint}"
        if line.startswith(_NO_APP):
            if before.startswith("ModuleNotFoundError: "):
                return f"{before}; {hint}"
            module, _, name = application.module.partition(":")
            return before if re.match(_ERROR, before.encode()) else f"{module} has no callable {name}; {hint}"
    return ""
