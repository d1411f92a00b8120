"""The lock under which a database is changed: held in the database itself, so that all replicas meet at it.

It ends with the process that holds it, however that ends. Nobody blocks on it: a session that waits inside the database
may be what a migration there waits for (`CREATE INDEX CONCURRENTLY`).
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
from typing import Any, Final, NamedTuple, Protocol

from entrypoint.app import refusal
from entrypoint.app.answer import Progress
from entrypoint.app.database import reach
from entrypoint.app.failure import Failure

_FIRST_DELAY: Final = 0.05  # seconds, growing by half each time
_LONGEST_DELAY: Final = 0.5
_TOLD_EVERY: Final = 5.0
_SOMEONE: Final = "another replica"
_SILENCE: Final = 120  # seconds after which MySQL ends a session that says nothing
_LEAVE: Final = 2.0  # seconds that the end of a session may take

# What PostgreSQL is told for the transaction that holds the lock, each with the version that brought it. It is idle
# for as long as the migrations take. A node that is lost sends no end of its connection: the server asks after 10 s,
# and gives it up after 30 s.
_OF_THE_HOLDER: Final = {
    "idle_in_transaction_session_timeout": ("0", 0),
    "transaction_timeout": ("0", 170000),
    "tcp_keepalives_idle": ("10", 0),
    "tcp_keepalives_interval": ("5", 0),
    "tcp_keepalives_count": ("4", 0),
    "tcp_user_timeout": ("30000", 120000),  # milliseconds
}

_Holder = tuple[str, float | None]
"""The name of a replica, empty where the database does not know it, and the seconds for which it has held the lock."""


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
                who = _sentence(lock.holder() or ("", None), purpose)
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
            version = self._connection.pg_version
            wanted = {name: value for name, (value, since) in _OF_THE_HOLDER.items() if version >= since}
            wanted["application_name"] = f"entrypoint {_ourselves()}"[:63]  # which is shown to whoever waits
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
    """A named lock, which the server ends with the session; the name holds the database's, for it is the server's.

    MySQL cannot be told how soon it shall look for a lost node. So it ends a session that is silent for a while, and
    the holder says something more often than that.
    """

    _NAME: Final = "concat('entrypoint.migrate.', sha1(coalesce(database(), '')))"

    def __init__(self, connection: Any, silence: int = _SILENCE) -> None:  # noqa: ANN401 -- as above
        self._connection = connection
        self._silence = silence
        self._fresh = True
        self._released = Event()
        self._beating: Thread | None = None

    def take(self) -> bool:
        with self._connection.cursor() as cursor:
            if self._fresh:
                cursor.execute(f"SET SESSION wait_timeout = {self._silence}")
                self._fresh = False
            cursor.execute(f"SELECT get_lock({self._NAME}, 0)")
            taken = bool(cursor.fetchone()[0] == 1)
        if taken:
            self._beating = Thread(target=self._beat, daemon=True)
            self._beating.start()
        return taken

    def _beat(self) -> None:
        while not self._released.wait(self._silence / 6):
            try:
                with self._connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
            except Exception as error:  # noqa: BLE001 -- a driver raises what it likes
                why = refusal.why(self._connection, error)
                sys.stderr.write(f"warning: lost the migration lock on database {self._connection.alias}: {why}\n")
                return

    def holder(self) -> _Holder | None:
        with self._connection.cursor() as cursor:
            cursor.execute(
                f"SELECT host FROM information_schema.processlist WHERE id = is_used_lock({self._NAME})"  # noqa: S608 -- our own words
            )
            found = cursor.fetchone()
        return (str(found[0]), None) if found else None

    def release(self) -> None:
        self._released.set()
        if self._beating:
            self._beating.join(_LEAVE)
            if self._beating.is_alive():  # it waits for a server that is lost, and with it the lock
                return
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
    since = "" if seconds is None else f" since {max(0.0, seconds):.0f} s"
    return f"{who} is {purpose.doing}{since}"
