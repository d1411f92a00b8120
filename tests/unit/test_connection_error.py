"""Connection errors of a database: temporary or permanent."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db.utils import NotSupportedError, OperationalError

from entrypoint.app.databases import connection_error


def connection(vendor: str = "postgresql", host: str = "127.0.0.1", password: str = "") -> Any:
    return SimpleNamespace(vendor=vendor, settings_dict={"HOST": host, "PASSWORD": password})


@pytest.mark.parametrize(
    "said",
    [
        'FATAL:  password authentication failed for user "x"',
        'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "x", database "y", no encryption',
        'FATAL:  database "y" does not exist',
        'FATAL:  role "x" does not exist',
        'FATAL:  role "x" is not permitted to log in',
        "server does not support SSL, but SSL was required",
        "SSL error: certificate verify failed",
        'root certificate file "/x" does not exist',
    ],
)
def test_a_connection_that_postgresql_rejects_is_a_permanent_error(said: str) -> None:
    assert connection_error.permanent("default", connection(), OperationalError(said)) is not None


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        ('FATAL:  database "y" does not exist', "create it, or correct its name in the settings"),
        ("Unknown database 'y'", "create it, or correct its name in the settings"),
        ('FATAL:  password authentication failed for user "x"', "correct the user or the password in the settings"),
        ("Access denied for user 'x'@'h' (using password: YES)", "correct the user or the password in the settings"),
    ],
)
def test_a_connection_that_a_server_rejects_says_what_to_do(said: str, fix: str) -> None:
    vendor, error = ("mysql", OperationalError(1049, said)) if "'" in said else ("postgresql", OperationalError(said))
    told = str(connection_error.permanent("default", connection(vendor), error))
    assert told == f"cannot use database default: {' '.join(said.split())}; {fix}"


@pytest.mark.parametrize(
    "said",
    [
        "connection refused",
        "FATAL:  the database system is starting up",
        "FATAL:  the database system is shutting down",
        "FATAL:  sorry, too many clients already",
        "server closed the connection unexpectedly",
        "SSL SYSCALL error: EOF detected",
        "SSL SYSCALL error: Connection reset by peer",
        "connection timeout expired",
    ],
)
def test_a_postgresql_that_is_starting_is_a_temporary_error(said: str) -> None:
    assert connection_error.permanent("default", connection(), OperationalError(said)) is None


@pytest.mark.parametrize(
    ("number", "final"), [(1045, True), (1049, True), (1044, True), (2003, False), (2013, False), (1040, False)]
)
def test_mysql_reports_errors_by_number(number: int, *, final: bool) -> None:
    error = connection_error.permanent("default", connection("mysql"), OperationalError(number, "in words"))
    assert (error is not None) == final
    assert connection_error.reason(connection("mysql"), OperationalError(number, "in words")) == "in words"


def test_a_server_that_is_too_old_is_a_permanent_error() -> None:
    too_old = NotSupportedError("PostgreSQL 14 or later is required")
    assert connection_error.permanent("default", connection(), too_old)


def test_two_halves_of_psycopg_that_do_not_fit_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, version in (("psycopg", "3.2.9"), ("psycopg_binary", "3.1.18")):
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    monkeypatch.syspath_prepend(tmp_path)
    error = connection_error.permanent("default", connection(), TypeError("connect() takes no keyword arguments"))
    assert str(error) == (
        "cannot use database default: connect() takes no keyword arguments; psycopg 3.2.9 and psycopg-binary 3.1.18 "
        "have different versions; install one version of both: pip install 'psycopg[binary]==3.2.9'"
    )


def test_a_host_name_may_resolve_late_and_is_named_until_then() -> None:
    late = connection(host="nothing..invalid")
    assert connection_error.permanent("default", late, OperationalError("no")) is None
    assert connection_error.temporary(late, OperationalError("no")) == "unknown host nothing..invalid"
    assert connection_error.temporary(connection(), OperationalError("no")) == "no"


def test_the_reason_is_one_line_without_the_password() -> None:
    reason = connection_error.reason(
        connection(password="battery staple"), OperationalError("bad\n  dsn: battery staple\n")
    )
    assert reason == "bad dsn: ***"
