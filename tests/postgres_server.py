"""A real PostgreSQL of its own, from Debian's packages, that lives as long as a test."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import Self

import psycopg
from deadline import PATIENCE, until
from ports import free_port


class Postgres:
    """A cluster in a temporary folder; a context that leaves nothing behind. It listens once it is started."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        assert binaries, "PostgreSQL is not installed: apt-get install postgresql"
        self._bin = binaries[-1].parent
        self._address = address
        self._port = free_port(address)
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._server: subprocess.Popen[bytes] | None = None
        # PostgreSQL refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            os.chown(self._folder, pwd.getpwnam(self._user).pw_uid, -1)

    @property
    def url(self) -> str:
        return f"postgres://tester:correct-horse@{self._address}:{self._port}/postgres"

    def __enter__(self) -> Self:
        password = self._folder / "password"
        password.write_text("correct-horse\n")
        password.chmod(0o644)
        data = self._folder / "data"
        self._run("initdb", "-D", data, "-U", "tester", "--pwfile", password, "-A", "scram-sha-256", "--no-sync")
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 0.0.0.0/0 scram-sha-256\n")
        return self

    def __exit__(self, *_: object) -> None:
        if self._server:
            self._server.send_signal(signal.SIGINT)
            self._server.wait(PATIENCE)
        shutil.rmtree(self._folder)

    def start(self) -> None:
        options = [f"-c{name}={value}" for name, value in self._settings().items()]
        self._server = subprocess.Popen(
            [self._bin / "postgres", "-D", self._folder / "data", *options],
            user=self._user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        ready = [str(self._bin / "pg_isready"), "-q", "-h", self._address, "-p", str(self._port)]
        until(lambda: subprocess.run(ready, check=False).returncode == 0, "PostgreSQL")

    def new_database(self) -> str:
        """Make a database; return its URL."""
        name = f"site_{uuid.uuid4().hex}"
        self.ask(f"CREATE DATABASE {name}")
        return f"{self.url.rpartition('/')[0]}/{name}"

    def ask(self, statement: str, url: str = "") -> list[tuple[object, ...]]:
        """Run a statement; return its rows."""
        with psycopg.connect(url or self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def _settings(self) -> dict[str, object]:
        return {
            "listen_addresses": self._address,
            "port": self._port,
            "unix_socket_directories": self._folder,
            "fsync": "off",
            "full_page_writes": "off",
            "autovacuum": "off",
            "max_connections": 200,
        }

    def _run(self, program: str, *words: object) -> None:
        done = subprocess.run(
            [self._bin / program, *map(str, words)], user=self._user, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
