"""A real supervisord with the plugin, started from files in a test's own directory."""

import json
import os
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from xmlrpc.client import ServerProxy, Transport

from deadline import PATIENCE, until

ROOT = Path(__file__).parents[3]

# As boot does: block the signals that must not be lost, then exec supervisord.
LAUNCHER = """\
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {
    signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2})
os.write(int(sys.argv[1]), b"blocked")
os.close(int(sys.argv[1]))
os.execv(sys.argv[2], sys.argv[2:])
"""

CONFIG = """\
[supervisord]
nodaemon=true
silent=true
logfile=/dev/null
logfile_maxbytes=0
pidfile={home}/supervisord.pid
childlogdir={home}
{user}
minfds=1024
{supervisord}

[unix_http_server]
file={home}/control.sock
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=entrypoint.supervision.internals.interface:make

[rpcinterface:entrypoint]
supervisor.rpcinterface_factory={factory}
supervision={home}/supervision.json
handover={home}/handover.json
"""

PROGRAM = """
[program:{name}]
command={command}
redirect_stderr=true
stdout_logfile=NONE
{options}
"""

# The beginning of a program that speaks sd_notify(3).
NOTIFY = """\
import os, socket, sys
def tell(what=b"STATUS=up\\nREADY=1"):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.sendto(what, "\\0" + os.environ["NOTIFY_SOCKET"][1:])
"""


def alive(pid: int) -> bool:
    """Return whether the process exists and is not a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


class _UnixTransport(Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> HTTPConnection:
        connection = HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(PATIENCE)
        # supervisord binds its socket before it listens on it.
        until(lambda: connection.sock.connect_ex(os.fspath(self._path)) == 0, "the control socket")
        self._connection = host, connection
        return connection


class Container:
    """One supervisord with its output, from start to end."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.log = home / "log"
        self.ready_file = home / "ready.json"
        self._programs: dict[str, str] = {}
        self._program_configs: dict[str, dict[str, object]] = {}
        self.config: dict[str, object] = {}
        """The other keys of the supervision config."""
        self.factory = "entrypoint.supervision.plugin:make"
        self.supervisord_options = ""
        self.sections = ""
        self.process: subprocess.Popen[bytes] | None = None

    def script(self, name: str, text: str) -> str:
        """Write a Python script and return the command that runs it."""
        path = self.home / f"{name}.py"
        path.write_text(text, "utf-8")
        return f"{sys.executable} -S -u {path}"

    def program(self, name: str, command: str, *options: str, **config: object) -> None:
        """Add a program. Without options it counts as running at once, and has one start instead of three."""
        given = "\n".join(("startsecs=0", "startretries=0", *options))
        self._programs[name] = PROGRAM.format(name=name, command=command, options=given)
        self._program_configs[name] = config

    def configure(self) -> Path:
        supervision = {"ready_file": str(self.ready_file), "programs": self._program_configs, **self.config}
        (self.home / "supervision.json").write_text(json.dumps(supervision), "utf-8")
        user = "" if os.getuid() else "user=root"  # without it supervisord complains about being root
        config = CONFIG.format(home=self.home, factory=self.factory, user=user, supervisord=self.supervisord_options)
        path = self.home / "supervisord.conf"
        path.write_text(config + "".join(self._programs.values()) + self.sections, "utf-8")
        return path

    def command(self) -> list[str]:
        """Return the command of supervisord."""
        supervisord = Path(sys.executable).with_name("supervisord")
        return [str(supervisord), "-n", "-c", str(self.configure())]

    def start(self, *, stdout: int | None = None, under: tuple[str, ...] = ()) -> "Container":
        """Start supervisord as boot does; return when signals are blocked, before it is supervisord."""
        read, write = os.pipe()
        out = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if stdout is None else stdout
        with (self.home / "stderr").open("ab") as err:
            self.process = subprocess.Popen(
                [*under, sys.executable, "-S", "-c", LAUNCHER, str(write), *self.command()],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                pass_fds=[write],
                cwd=self.home,
                env={**os.environ, "PYTHONPATH": f"{ROOT}:{self.home}"},
            )
        os.close(write)
        if stdout is None:
            os.close(out)
        assert os.read(read, 7) == b"blocked"
        os.close(read)
        return self

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    def text(self) -> str:
        return self.log.read_text("utf-8", "backslashreplace")

    def lines(self, name: str = "") -> list[str]:
        """Return the whole lines so far, of the program `name` if it is given and then without the name."""
        prefix = f"[{name}] " if name else ""
        whole, _, _ = self.text().rpartition("\n")
        return [line.removeprefix(prefix) for line in whole.split("\n") if line.startswith(prefix)]

    def descriptors(self) -> int:
        """Return the number of descriptors of supervisord: the least of many counts, as it opens files for a moment."""
        return min(len(list(Path(f"/proc/{self.pid}/fd").iterdir())) for _ in range(200))

    def said(self, what: str, times: int = 1) -> str:
        """Wait until `what` has been logged `times` times; return the last line with it."""

        def found() -> str:
            lines = [line for line in self.lines() if what in line]
            return lines[times - 1] if len(lines) >= times else ""

        return until(found, f"{times} times {what!r}", instead=lambda: self.text()[-2000:])

    def spawned(self, name: str, times: int = 1) -> int:
        """Wait for the start of a program, the first or a later one, and return its PID."""
        return int(self.said(f"spawned: '{name}' with pid", times).rpartition(" ")[2])

    def unready(self) -> dict[str, object] | None:
        """Return why the container is not ready, as clients see it; None while it is ready."""
        try:
            text = self.ready_file.with_name("unready.json").read_text("utf-8")
        except FileNotFoundError:
            return None
        found: dict[str, object] = json.loads(text)
        return found

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def code(self) -> int:
        """Wait for the end; return the exit code as a shell reports it."""
        assert self.process
        status = self.process.wait(PATIENCE)
        return status if status >= 0 else 128 - status

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.code()

    def ask(self, method: str, *arguments: object) -> Any:
        """Call a method of supervisord's own interface, or of the one that is named, as supervisorctl does."""
        transport = _UnixTransport(self.home / "control.sock")
        with ServerProxy("http://localhost", transport=transport, allow_none=True) as proxy:
            return getattr(proxy, method if "." in method else f"supervisor.{method}")(*arguments)

    def pids(self) -> set[int]:
        """Return the processes of this container: their working directory is its home."""
        found = set()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if (entry / "cwd").readlink() == self.home and alive(int(entry.name)):
                        found.add(int(entry.name))
                except (FileNotFoundError, ProcessLookupError, PermissionError):
                    continue
        return found

    def end(self) -> None:
        """Remove everything, and report processes that should not have been left."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
