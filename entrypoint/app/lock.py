"""The lock under which a database is changed: held in the database itself, so that all replicas meet at it.

It ends with the process that holds it, however that ends. Nobody blocks on it: a session that waits inside the database
may be what a migration there waits for (`CREATE INDEX CONCURRENTLY`).
"""

import fcntl
import os
import socket
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from entrypoint.app.answer import Progress
from entrypoint.app.database import reach
from entrypoint.app.failure import Failure

_FIRST_DELAY: Final = 0.05  # seconds, growing by half each time
_LONGEST_DELAY: Final = 0.5
_TOLD_EVERY: Final = 5.0
_SOMEONE: Final = "another replica"
_TRANSACTION_TIMEOUT: Final = 170000  # the version of PostgreSQL that brought it


_Holder = tuple[str, float]
"""The name of a replica, empty where the database does not know it, and the seconds since it holds the lock."""


class Lock(Protocol):
    """A lock on one database."""

    def take(self) -> bool:
        """Take it if it is free; return whether it is ours."""

    def holder(self) -> _Holder | None:
        """Return who holds it and since when, None if nobody does."""

    def release(self) -> None:
        """Let it go, whether held or not."""


class Purpose(NamedTuple):
    """What somebody holds it for, in the words of who waits."""

    to: str
    doing: str


MIGRATE: Final = Purpose("migrate", "migrating")


@contextmanager
def held(
    connection: Any,  # noqa: ANN401 -- Django ships no types
    seconds: float,
    progress: Progress,
    purpose: Purpose = MIGRATE,
) -> Iterator[None]:
    """Hold the lock of the database that `connection` leads to; wait for it as long as somebody else does.

    Its own connection is to be had within `seconds`. Raises Failure.
    """
    lock = _lock_of(connection, seconds, progress)
    began, delay, tick, waited = time.monotonic(), _FIRST_DELAY, 0.0, False
    try:
        while not lock.take():
            if time.monotonic() >= tick:
                who = _sentence(lock.holder() or ("", 0.0), purpose)
                progress(f"{'still ' if waited else ''}waiting to {purpose.to} database {connection.alias}: {who}")
                waited, tick = True, time.monotonic() + _TOLD_EVERY
            time.sleep(delay)
            delay = min(delay * 1.5, _LONGEST_DELAY)
        if waited:
            progress(f"it is our turn at database {connection.alias} after {time.monotonic() - began:.1f} s")
        yield
    finally:
        lock.release()


def holder(connection: Any, seconds: float, progress: Progress) -> str | None:  # noqa: ANN401 -- as above
    """Say who migrates that database now, None if nobody does. Raises Failure."""
    lock = _lock_of(connection, seconds, progress)
    try:
        found = lock.holder()
        return found and _sentence(found, MIGRATE)
    finally:
        lock.release()


def _lock_of(connection: Any, seconds: float, progress: Progress) -> Lock:  # noqa: ANN401 -- as above
    """Return the lock of a database: on a connection of its own, or beside the file."""
    if connection.vendor == "sqlite":
        return _Nothing() if connection.is_in_memory_db() else _SQLite(connection)
    if connection.vendor not in _SESSIONS:
        return _Nothing()
    own = connection.copy()
    reach({connection.alias: own}, seconds, progress)
    return _SESSIONS[connection.vendor](own)


class _PostgreSQL:
    """An advisory lock, keyed by the schema; PostgreSQL itself keys it by the database.

    It is held by a transaction and not by the session: a pooler lends a session for one transaction alone.
    """

    _CLASS: Final = zlib.crc32(b"entrypoint migrate") & 0x7FFFFFFF
    _OBJECT: Final = "hashtext(coalesce(current_schema(), '')) & 2147483647"

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 -- as above
        self._connection = connection

    def take(self) -> bool:
        self._connection.set_autocommit(False)
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT pg_try_advisory_xact_lock({self._CLASS}, {self._OBJECT})")
            if not cursor.fetchone()[0]:
                self._connection.rollback()
                return False
            # Whoever waits reads the name; and the transaction is idle for as long as the migrations take.
            wanted = {"application_name": f"entrypoint {_ourselves()}"[:63], "idle_in_transaction_session_timeout": "0"}
            if self._connection.pg_version >= _TRANSACTION_TIMEOUT:
                wanted["transaction_timeout"] = "0"
            for name, value in wanted.items():
                cursor.execute("SELECT set_config(%s, %s, true)", [name, value])
        return True

    def holder(self) -> _Holder | None:
        with self._connection.cursor() as cursor:
            cursor.execute(
                "SELECT application_name, extract(epoch FROM clock_timestamp() - xact_start)"  # noqa: S608 -- our own words
                " FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted"
                f" AND classid = {self._CLASS} AND objid = ({self._OBJECT})::oid AND objsubid = 2"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            found = cursor.fetchone()
        if not self._connection.get_autocommit():
            self._connection.rollback()
        return ((found[0] or "").removeprefix("entrypoint "), float(found[1])) if found else None

    def release(self) -> None:
        self._connection.close()


class _MySQL:
    """A named lock, which the server ends with the session; the name holds the database's, for it is the server's."""

    _NAME: Final = "concat('entrypoint.migrate.', sha1(coalesce(database(), '')))"

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 -- as above
        self._connection = connection
        self._fresh = True

    def take(self) -> bool:
        with self._connection.cursor() as cursor:
            if self._fresh:  # the session is idle for as long as the migrations take
                cursor.execute("SET SESSION wait_timeout = 604800")
                self._fresh = False
            cursor.execute(f"SELECT get_lock({self._NAME}, 0)")
            return bool(cursor.fetchone()[0] == 1)

    def holder(self) -> _Holder | None:
        with self._connection.cursor() as cursor:
            cursor.execute(
                f"SELECT host, time FROM information_schema.processlist WHERE id = is_used_lock({self._NAME})"  # noqa: S608 -- our own words
            )
            found = cursor.fetchone()
        return (str(found[0]), float(found[1])) if found else None

    def release(self) -> None:
        self._connection.close()


class _SQLite:
    """A lock on a file beside the database, which says who holds it."""

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 -- as above
        name = str(connection.settings_dict["NAME"]).removeprefix("file:").partition("?")[0]
        self._path = Path(f"{name}.migrate-lock")
        try:
            self._file = self._path.open("a+", encoding="utf-8")
        except OSError as error:
            raise Failure(f"cannot write {self._path}: {error.strerror}", "not allowed") from error

    def take(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self._file.truncate(0)
        self._file.write(_ourselves())
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


class _Nothing:
    """What a database that nobody shares has, or one of a kind that we know no lock of."""

    def take(self) -> bool:
        return True

    def holder(self) -> _Holder | None:
        return None

    def release(self) -> None:
        pass


_SESSIONS: Final[Mapping[str, Callable[[Any], Lock]]] = {"postgresql": _PostgreSQL, "mysql": _MySQL}


def _ourselves() -> str:
    return f"{socket.gethostname()[:40]} (PID {os.getpid()})"


def _sentence(holder: _Holder, purpose: Purpose) -> str:
    name, seconds = holder
    who = f"replica {name}" if name else _SOMEONE
    return f"{who} is {purpose.doing} since {max(0.0, seconds):.0f} s"
