"""The URL of a direct connection to a database."""

import pytest

from entrypoint.app.migrations import connection
from entrypoint.app.reporting import AgentError


def test_a_url_says_where_and_who() -> None:
    url = "postgres://na%40me:p%2Fw@db.example:5433/si%20te?sslmode=require&application_name=a%20b"
    assert connection.parse(url, "postgresql", {"connect_timeout": 10, "sslmode": "disable"}) == {
        "HOST": "db.example",
        "PORT": "5433",
        "USER": "na@me",
        "PASSWORD": "p/w",
        "NAME": "si te",
        "OPTIONS": {"connect_timeout": 10, "sslmode": "require", "application_name": "a b"},
    }


@pytest.mark.parametrize("url", ["mysql://h/n", "mariadb://h/n"])
def test_mariadb_is_mysql_to_django(url: str) -> None:
    assert connection.parse(url, "mysql", {})["HOST"] == "h"


def test_a_url_of_another_kind_of_database_is_refused() -> None:
    with pytest.raises(AgentError, match="it is for mysql, but the default database is postgresql"):
        connection.parse("mysql://name:secret@h/n", "postgresql", {})
