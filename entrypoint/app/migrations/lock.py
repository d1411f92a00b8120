"""The migration lock: held in the database itself, which all replicas share.

It is released when the process that holds it ends, in whatever way. Waiting replicas poll it: a session that blocks
inside the database can make a migration wait for it (`CREATE INDEX CONCURRENTLY`).
"""

import fcntl
import os
import socket
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final, NamedTuple

from entrypoint.app.databases import connection_error, sqlite_error
from entrypoint.app.databases.database import reach
from entrypoint.app.reporting import AgentError, Progress

_FIRST_DELAY: Final = 0.05  # seconds, growing by half each time
_LONGEST_DELAY: Final = 0.5
_REPORT_EVERY: Final = 5.0
_IDLE_TIMEOUT: Final = 120  # seconds after which MySQL ends an idle session
_CLOSE_TIMEOUT: Final = 2.0  # seconds

# PostgreSQL's settings for the transaction that holds the lock, each with the version that introduced it. It is idle
# while the migrations run. A lost node does not close its connection: the server probes it after 10 s, and closes it
# after 30 s.
_HOLDER_SETTINGS: Final = {
    "idle_in_transaction_session_timeout": ("0", 0),
    "transaction_timeout": ("0", 170000),
    "tcp_keepalives_idle": ("10", 0),
    "tcp_keepalives_interval": ("5", 0),
    "tcp_keepalives_count": ("4", 0),
    "tcp_user_timeout": ("30000", 120000),  # milliseconds
}

_Holder = tuple[str, float | None]
"""The name of a replica, empty if the database does not know it, and for how many seconds it has held the lock."""


class Lock:
    """A lock on one database.

    This class itself locks nothing: no other process shares the database, or its vendor has no known lock.
    """

    def acquire(self) -> bool:
        """Acquire it if it is free; return whether this process holds it."""
        return True

    def holder(self) -> _Holder | None:
        """Return the replica that holds it, None if it is free."""
        return None

    def release(self) -> None:
        """Release it if it is held, and close its connection."""


class Purpose(NamedTuple):
    """The purpose of a lock, in the words of a waiting replica."""

    to: str  # after "waiting to", such as migrate
    doing: str  # after "replica X is", such as migrating
    name: str = "migrate"  # of the lock, in the database
    lock: str = "migration lock"  # in messages


MIGRATE: Final = Purpose("migrate", "migrating")


@contextmanager
def held(connection: Any, seconds: float, progress: Progress, purpose: Purpose = MIGRATE) -> Iterator[None]:
    """Hold the migration lock of a database; wait without a limit while another replica holds it.

    The lock has a connection of its own, which must succeed within `seconds`. Raises AgentError.
    """
    lock = _lock_of(connection, seconds, progress, purpose.name)
    began, delay, tick, waited = time.monotonic(), _FIRST_DELAY, 0.0, False
    try:
        while not lock.acquire():
            if time.monotonic() >= tick:
                who = _describe(lock.holder() or ("", None), purpose)
                progress(f"{'still ' if waited else ''}waiting to {purpose.to} database {connection.alias}: {who}")
                waited, tick = True, time.monotonic() + _REPORT_EVERY
            time.sleep(delay)
            delay = min(delay * 1.5, _LONGEST_DELAY)
        if waited:
            progress(f"acquired the {purpose.lock} on {connection.alias} after {time.monotonic() - began:.1f} s")
        yield
    finally:
        lock.release()


def holder(connection: Any, seconds: float, progress: Progress) -> str | None:
    """Return which replica is migrating that database, as a clause; None if none is. Raises AgentError."""
    lock = _lock_of(connection, seconds, progress, MIGRATE.name)
    try:
        found = lock.holder()
        return found and _describe(found, MIGRATE)
    finally:
        lock.release()


def _lock_of(connection: Any, seconds: float, progress: Progress, name: str) -> Lock:
    """Return the lock of a database: on a connection of its own, or a file beside SQLite's."""
    if connection.vendor == "sqlite" and not connection.is_in_memory_db():
        return _SQLite(connection, name)
    if connection.vendor not in _SESSIONS:
        return Lock()
    own = connection.copy()
    reach({connection.alias: own}, seconds, progress)
    return _SESSIONS[connection.vendor](own, name)


class _PostgreSQL(Lock):
    """An advisory lock, keyed by the schema; PostgreSQL itself keys it by the database.

    A transaction holds it, not a session: a connection pooler assigns a session for one transaction only.
    """

    _OBJECT: Final = "hashtext(coalesce(current_schema(), '')) & 2147483647"

    def __init__(self, connection: Any, name: str) -> None:
        self._connection = connection
        self._class = zlib.crc32(f"entrypoint {name}".encode()) & 0x7FFFFFFF

    def acquire(self) -> bool:
        self._connection.set_autocommit(False)
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT pg_try_advisory_xact_lock({self._class}, {self._OBJECT})")
            if not cursor.fetchone()[0]:
                self._connection.rollback()
                return False
            version = self._connection.pg_version
            wanted = {name: value for name, (value, since) in _HOLDER_SETTINGS.items() if version >= since}
            wanted["application_name"] = f"entrypoint {_own_name()}"[:63]  # which waiting replicas show
            for name, value in wanted.items():
                cursor.execute("SELECT set_config(%s, %s, true)", [name, value])
        return True

    def holder(self) -> _Holder | None:
        with self._connection.cursor() as cursor:
            cursor.execute(
                "SELECT application_name, extract(epoch FROM clock_timestamp() - xact_start)"  # noqa: S608 -- constants only
                " FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted"
                f" AND classid = {self._class} AND objid = ({self._OBJECT})::oid AND objsubid = 2"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            found = cursor.fetchone()
        if not self._connection.get_autocommit():
            self._connection.rollback()
        return ((found[0] or "").removeprefix("entrypoint "), float(found[1])) if found else None

    def release(self) -> None:
        self._connection.close()


class _MySQL(Lock):
    """A named lock, which ends with the session. The server keys it by name alone, so the name contains the database's.

    MySQL has no setting for the detection of a lost node. So the session gets a short idle timeout, and a thread of the
    holder sends a query more often than that.
    """

    def __init__(self, connection: Any, name: str, idle_timeout: int = _IDLE_TIMEOUT) -> None:
        self._connection = connection
        self._name = f"concat('entrypoint.{name}.', sha1(coalesce(database(), '')))"
        self._idle_timeout = idle_timeout
        self._released = Event()
        self._heartbeat: Thread | None = None
        with connection.cursor() as cursor:
            cursor.execute(f"SET SESSION wait_timeout = {idle_timeout}")

    def acquire(self) -> bool:
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT get_lock({self._name}, 0)")
            taken = bool(cursor.fetchone()[0] == 1)
        if taken:
            self._heartbeat = Thread(target=self._beat, daemon=True)
            self._heartbeat.start()
        return taken

    def _beat(self) -> None:
        while not self._released.wait(self._idle_timeout / 6):
            try:
                with self._connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
            except Exception as error:  # noqa: BLE001 -- a driver may raise anything
                why = connection_error.reason(self._connection, error)
                sys.stderr.write(f"warning: lost a lock on database {self._connection.alias}: {why}\n")
                return

    def holder(self) -> _Holder | None:
        with self._connection.cursor() as cursor:
            cursor.execute(
                f"SELECT host FROM information_schema.processlist WHERE id = is_used_lock({self._name})"  # noqa: S608 -- constants only
            )
            found = cursor.fetchone()
        return (str(found[0]), None) if found else None

    def release(self) -> None:
        self._released.set()
        if self._heartbeat:
            self._heartbeat.join(_CLOSE_TIMEOUT)
            if self._heartbeat.is_alive():  # it waits for a lost server, and the lock is lost with it
                return
        self._connection.close()


class _SQLite(Lock):
    """A lock on a file beside the database, which contains the name of the holder."""

    def __init__(self, connection: Any, name: str) -> None:
        file = sqlite_error.file_of(connection)
        self._path = Path(f"{file}.{name}-lock")
        try:
            self._file = self._path.open("a+", encoding="utf-8")
        except OSError as error:
            why = sqlite_error.fault(file) or error.strerror
            raise AgentError(f"cannot write {self._path}: {why}", "not allowed") from error

    def acquire(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self._file.truncate(0)
        self._file.write(_own_name())
        self._file.flush()
        return True

    def holder(self) -> _Holder | None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            since = time.time() - self._path.stat().st_mtime
            return self._path.read_text(encoding="utf-8"), since
        fcntl.flock(self._file, fcntl.LOCK_UN)
        return None

    def release(self) -> None:
        self._file.close()


_SESSIONS: Final[Mapping[str, Callable[[Any, str], Lock]]] = {"postgresql": _PostgreSQL, "mysql": _MySQL}


def _own_name() -> str:
    return f"{socket.gethostname()[:40]} (PID {os.getpid()})"


def _describe(holder: _Holder, purpose: Purpose) -> str:
    name, seconds = holder
    who = f"replica {name}" if name else "another replica"
    if seconds is None:
        return f"{who} is {purpose.doing}"
    return f"{who} has been {purpose.doing} for {max(0, seconds):.0f} s"
