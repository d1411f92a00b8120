"""The lock of a node that disappears: the server ends its session, and keeps that of a node that lives."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dj_database_url
import psutil
import pytest
from databases import on_mariadb, on_postgres
from deadline import until
from rows import rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from databases import Database
    from mariadb_server import MariaDB
    from postgres_server import Postgres

HOLD = """
import sys

import django
from django.conf import settings
from django.db import connection

database = {database!r}
if database["ENGINE"] == "django.db.backends.mysql":
    import pymysql

    pymysql.install_as_MySQLdb()
settings.configure(DATABASES={{"default": database}})
django.setup()

from entrypoint.app.migrations import lock

connection.ensure_connection()
own = connection.copy()
own.inc_thread_sharing()
held = lock._SESSIONS[connection.vendor](own, lock.MIGRATE.name{more})
assert held.acquire()
print("held", flush=True)
sys.stdin.read()
held.release()
"""
SILENCE = 2  # seconds


@contextmanager
def holder(database: Database, more: str = "") -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of a database until its standard input ends."""
    script = HOLD.format(database=dict(dj_database_url.parse(database.environ["DATABASE_URL"])), more=more)
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            psutil.Process(process.pid).resume()


def test_postgresql_asks_soon_whether_the_holder_is_there(postgres_server: Postgres) -> None:
    with holder(on_postgres(postgres_server)) as process:
        ports = {
            connection.laddr.port for connection in psutil.Process(process.pid).net_connections() if connection.raddr
        }
        until(lambda: len(ports & soon(postgres_server)) == 1, "the server's timer")


def soon(server: Postgres) -> set[int]:
    """Return the ports of the clients that the server asks within 10 s whether they are there."""
    port = server.url.rpartition("/")[0].rpartition(":")[2]
    said = subprocess.run(["ss", "-tnoH", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
    found = re.findall(r":(\d+)\s+timer:\(keepalive,(\d[\d.]*)(ms|sec)", said)
    return {int(client) for client, number, unit in found if unit == "ms" or float(number) <= 10}


@pytest.mark.parametrize("lost", rows([False, True], [True]))
def test_mariadb_ends_the_session_of_a_holder_that_says_nothing(mariadb_server: MariaDB, lost: bool) -> None:  # noqa: FBT001 -- the case
    database = on_mariadb(mariadb_server)

    def is_held() -> bool:
        name = "concat('entrypoint.migrate.', sha1(database()))"
        return database.ask(f"SELECT is_used_lock({name})")[0][0] is not None

    def now() -> float:
        return float(str(database.ask("SELECT unix_timestamp(now(6))")[0][0]))

    with holder(database, f", idle_timeout={SILENCE}") as process:
        assert is_held()
        if lost:
            os.kill(process.pid, signal.SIGSTOP)
            until(lambda: not is_held(), "the end of the silent session")
        else:
            began = now()
            until(lambda: now() > began + 2 * SILENCE, "the server's clock")
            assert is_held()
