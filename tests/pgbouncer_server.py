"""A real PgBouncer in front of PostgreSQL: it lends a session for one transaction at a time."""

import os
import pwd
import shutil
import socket
from typing import Self
from urllib.parse import urlsplit

from deadline import until
from servers import Server


class PgBouncer(Server):
    """A pooler of transactions; a context that leaves nothing behind."""

    def __init__(self, url: str) -> None:
        """Pool connections to the server of this URL."""
        super().__init__()
        self._behind = urlsplit(url)

    def __enter__(self) -> Self:
        super().__enter__()
        program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
        assert program, "PgBouncer is not installed: apt-get install pgbouncer"
        (self._folder / "users").write_text(f'"{self._behind.username}" "{self._behind.password}"\n')
        (self._folder / "pgbouncer.ini").write_text(
            f"""[databases]
            * = host={self._behind.hostname} port={self._behind.port}
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {self.port}
            unix_socket_dir =
            auth_type = plain
            auth_file = {self._folder}/users
            pool_mode = transaction
            """.replace("\n            ", "\n")
        )
        user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
        if user:
            for path in (self._folder, *self._folder.iterdir()):
                os.chown(path, pwd.getpwnam(user).pw_uid, -1)
        self._run(program, self._folder / "pgbouncer.ini", user=user)
        until(self._accepts, "PgBouncer")
        return self

    def before(self, url: str) -> str:
        """Return the URL of the same database through the pooler."""
        return url.replace(f":{self._behind.port}/", f":{self.port}/")

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
