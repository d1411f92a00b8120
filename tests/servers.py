"""Real servers from Debian's packages, each on a free port of the loopback interface."""

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import leftovers
from deadline import PATIENCE
from ports import free_port


class Server:
    """A server with a temporary folder; a context that leaves nothing behind. It listens once it is started."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.port = free_port(address)
        self._cleaning = ExitStack()

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="server-", dir=os.environ.get(leftovers.RUN)))
        self._cleaning.callback(shutil.rmtree, self._folder)
        return self

    def __exit__(self, *_: object) -> None:
        self._cleaning.close()

    def _run(
        self,
        *words: object,
        executable: str | None = None,
        user: str | None = None,
        ends: int = signal.SIGTERM,
        **environ: str,
    ) -> None:
        """Start a process, which ends with the context at the signal `ends`."""
        process = subprocess.Popen(
            list(map(str, words)),
            executable=executable,
            env={"PATH": os.environ["PATH"], "HOME": str(self._folder), **environ},
            cwd=self._folder,
            user=user,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._cleaning.callback(process.wait, PATIENCE)
        self._cleaning.callback(process.send_signal, ends)


class Redis(Server):
    """Redis, with a password or without."""

    def start(self, password: str = "") -> None:
        # Debian's redis-tools has the server's program by this name, and no service that would be started.
        self._run(
            *("redis-server", "--port", self.port, "--bind", "127.0.0.1", "--save", "", "--dir", self._folder),
            *(("--requirepass", password) if password else ()),
            executable="/usr/bin/redis-check-rdb",
        )


class MariaDB(Server):
    """MariaDB without any table of its own: its greeting is all that is asked of it."""

    def start(self) -> None:
        (self._folder / "data").mkdir()
        user = ("--user=root",) if os.geteuid() == 0 else ()
        self._run(
            *(shutil.which("mariadbd", path="/usr/sbin:/usr/bin"), "--no-defaults", *user, "--skip-grant-tables"),
            *(f"--datadir={self._folder}/data", f"--socket={self._folder}/socket", f"--pid-file={self._folder}/pid"),
            *(f"--port={self.port}", "--bind-address=127.0.0.1", "--skip-networking=0"),
        )


class RabbitMQ(Server):
    """RabbitMQ, and the port mapper that it would leave running if it had to start that by itself."""

    def start(self) -> None:
        mapper, distribution = str(free_port()), str(free_port())
        self._run("epmd", "-port", mapper, "-address", "127.0.0.1")
        folder = self._folder
        self._run(
            "/usr/lib/rabbitmq/bin/rabbitmq-server",
            ERL_EPMD_PORT=mapper,
            RABBITMQ_NODENAME=f"test-{self.port}@localhost",
            RABBITMQ_NODE_IP_ADDRESS="127.0.0.1",
            RABBITMQ_NODE_PORT=str(self.port),
            RABBITMQ_DIST_PORT=distribution,
            RABBITMQ_MNESIA_BASE=str(folder / "mnesia"),
            RABBITMQ_ENABLED_PLUGINS_FILE=str(folder / "plugins"),
            RABBITMQ_CONF_ENV_FILE="/dev/null",
            RABBITMQ_LOG_BASE=str(folder / "log"),
            RABBITMQ_LOGS="-",
        )
