"""A real PostgreSQL of its own, from Debian's packages, that lives as long as a test."""

import os
import pwd
import signal
import subprocess
import uuid
from pathlib import Path
from typing import Self

import psycopg
from deadline import until
from servers import Server


class Postgres(Server):
    """A cluster in a temporary folder; a context that leaves nothing behind. It listens once it is started."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        super().__init__(address)
        binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        assert binaries, "PostgreSQL is not installed: apt-get install postgresql"
        self._bin = binaries[-1].parent
        self._address = address
        # PostgreSQL refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None

    @property
    def url(self) -> str:
        return f"postgres://tester:correct-horse@{self._address}:{self.port}/postgres"

    def __enter__(self) -> Self:
        super().__enter__()
        if self._user:
            os.chown(self._folder, pwd.getpwnam(self._user).pw_uid, -1)
        password = self._folder / "password"
        password.write_text("correct-horse\n")
        password.chmod(0o644)
        data = self._folder / "data"
        self._do("initdb", "-D", data, "-U", "tester", "--pwfile", password, "-A", "scram-sha-256", "--no-sync")
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 0.0.0.0/0 scram-sha-256\n")
        return self

    def start(self) -> None:
        options = [f"-c{name}={value}" for name, value in self._settings().items()]
        self._run(self._bin / "postgres", "-D", self._folder / "data", *options, user=self._user, ends=signal.SIGINT)
        ready = [str(self._bin / "pg_isready"), "-q", "-h", self._address, "-p", str(self.port)]
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
            "port": self.port,
            "unix_socket_directories": self._folder,
            "fsync": "off",
            "full_page_writes": "off",
            "autovacuum": "off",
            "max_connections": 200,
        }

    def _do(self, program: str, *words: object) -> None:
        done = subprocess.run(
            [self._bin / program, *map(str, words)], user=self._user, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
