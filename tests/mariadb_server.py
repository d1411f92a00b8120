"""A real MariaDB of its own, from Debian's packages, that lives as long as a test."""

import getpass
import shutil
import signal
import socket
import subprocess
import uuid
from pathlib import Path
from typing import Self

import pymysql
from deadline import until
from servers import Server

_TABLES = Path("/usr/share/mysql")
_BOOTSTRAP = ("mysql_system_tables", "mysql_performance_tables", "mysql_system_tables_data")


class MariaDB(Server):
    """A server with its data in a temporary folder; a context that leaves nothing behind."""

    def __enter__(self) -> Self:
        super().__enter__()
        daemon = shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        assert daemon, "MariaDB is not installed: apt-get install mariadb-server-core"
        (self._folder / "data" / "mysql").mkdir(parents=True)
        common = [daemon, "--no-defaults", f"--user={getpass.getuser()}", f"--datadir={self._folder / 'data'}"]
        # What mariadb-install-db does; that script needs the client's package as well.
        made = subprocess.run(
            [*common, "--bootstrap", "--skip-grant-tables"],
            input=b"USE mysql;\n" + b"".join((_TABLES / f"{name}.sql").read_bytes() for name in _BOOTSTRAP),
            capture_output=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr.decode()
        self._run(
            *common,
            f"--socket={self._folder / 'socket'}",
            f"--pid-file={self._folder / 'pid'}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-flush-method=nosync",
            "--innodb-doublewrite=0",
            "--innodb-buffer-pool-size=32M",
            ends=signal.SIGKILL,  # a clean end would write data that nobody needs
        )
        until(self._accepts, "MariaDB")
        self.ask("CREATE USER tester@'%' IDENTIFIED BY 'correct-horse'", "GRANT ALL ON *.* TO tester@'%'")
        return self

    def new_database(self) -> str:
        """Make a database; return its URL, without TLS: to load the known authorities takes 25 ms a connection."""
        name = f"site_{uuid.uuid4().hex}"
        self.ask(f"CREATE DATABASE {name}")
        return f"mysql://tester:correct-horse@127.0.0.1:{self.port}/{name}?ssl_disabled=yes"

    def ask(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements as root; return the rows of the last."""
        path = str(self._folder / "socket")
        with pymysql.connect(unix_socket=path, user="root", autocommit=True, ssl_disabled=True) as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def _accepts(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._folder / "socket")) == 0
