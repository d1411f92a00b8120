"""Databases of every kind that the toolkit prepares: each test has its own, on servers that a session shares."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mariadb_server import MariaDB
from pgbouncer_server import PgBouncer
from postgres_server import Postgres

Rows = list[tuple[object, ...]]


@dataclass(frozen=True)
class Database:
    """One database: the settings that select it for the example project, and direct queries."""

    environ: Mapping[str, str]
    ask: Callable[[str], Rows] = field(repr=False)

    def state(self) -> tuple[Rows, Rows]:
        """Return what a boot leaves in it: how often each migration was applied, and the number of other rows."""
        tables = ("auth_permission", "django_content_type", "members_user")
        return (
            sorted(self.ask("SELECT app, name, count(*) FROM django_migrations GROUP BY app, name"), key=str),
            [self.ask(f"SELECT count(*) FROM {table}")[0] for table in tables],
        )


def on_postgres(server: Postgres) -> Database:
    url = server.new_database()
    return Database({"DATABASE_URL": url}, lambda statement: server.ask(statement, url))


def behind_pgbouncer(server: Postgres, pooler: PgBouncer) -> Database:
    url = server.new_database()
    return Database({"DATABASE_URL": pooler.before(url)}, lambda statement: server.ask(statement, url))


def past_pgbouncer(server: Postgres, pooler: PgBouncer) -> Database:
    behind = behind_pgbouncer(server, pooler)
    direct = behind.environ["DATABASE_URL"].rpartition("/")[2]
    environ = {**behind.environ, "ENTRYPOINT_MIGRATE_DATABASE_URL": f"{server.url.rpartition('/')[0]}/{direct}"}
    return Database(environ, behind.ask)


def on_mariadb(server: MariaDB) -> Database:
    url = server.new_database()
    name = url.rpartition("/")[2].partition("?")[0]
    return Database({"DATABASE_URL": url}, lambda statement: server.ask(f"USE {name}", statement))


def on_sqlite(folder: Path) -> Database:
    path = folder / "db.sqlite3"

    def ask(statement: str) -> Rows:
        with sqlite3.connect(path) as connection:
            rows: Rows = connection.execute(statement).fetchall()
        connection.close()
        return rows

    return Database({"DATABASE_URL": f"sqlite:///{path}"}, ask)
