"""Connection errors of a database: temporary, or permanent where waiting does not help."""

import re
import socket
from typing import Any, Final

from django.db.utils import InterfaceError, OperationalError

from entrypoint.app.databases import sqlite_error
from entrypoint.app.packages import psycopg_mismatch
from entrypoint.app.reporting import AgentError
from entrypoint.secret import MASK

UNKNOWN_HOST: Final = "unknown host"

# MySQL and MariaDB, "Server Error Message Reference": access to the database denied, wrong password, unknown database,
# host not allowed, old password, unknown plugin, no password; and the client's own: plugin cannot be loaded or used.
_MYSQL: Final = {1044, 1045, 1049, 1130, 1251, 1524, 1698, 2059, 2061}

# libpq does not pass on the SQLSTATE of a failed connection, so we look at the message. If a server reports errors in
# another language, we wait until the deadline and then show its message.
_WORDS: Final = re.compile(
    r"password authentication failed|authentication failed for user|no pg_hba\.conf entry|pg_hba\.conf rejects"
    r"|no password supplied|(?:database|role) \".*\" does not exist|no such (?:database|user)"
    r"|permission denied for database|is not permitted to log in"
    r"|certificate verify failed|certificate_verify_failed|server does not support ssl|root certificate file"
    r"|server certificate for|(?:certificate|private key) file .* (?:does not exist|could not)|invalid sslmode"
    r"|tls/ssl error: (?!.*(?:reset|eof|lost|read))|ssl is required|invalid (?:connection|uri) ",
    re.IGNORECASE,
)

_FIXES: Final = {
    "create it, or correct its name in the settings": r"database .* does not exist|no such database|unknown database",
    "correct the user or the password in the settings": r"authentication failed|role .* does not exist|no such user"
    r"|no password supplied|access denied for user .*password",
}


def permanent(name: str, connection: Any, error: Exception) -> AgentError | None:
    """Return the error that ends the boot where waiting does not help."""
    text = reason(connection, error)
    if connection.vendor == "sqlite":
        # A missing file does not appear by itself; but the database is locked while another process changes its mode.
        return None if "locked" in str(error) else AgentError(f"cannot open database {name}: {text}", "not allowed")
    if not isinstance(error, OperationalError | InterfaceError):
        why = psycopg_mismatch() if connection.vendor == "postgresql" else ""
        return AgentError(f"cannot use database {name}: {text}{f'; {why}' if why else ''}", "unusable")
    if (error.args and error.args[0] in _MYSQL) or _WORDS.search(text):
        fix = next((f"; {fix}" for fix, words in _FIXES.items() if re.search(words, text, re.IGNORECASE)), "")
        return AgentError(f"cannot use database {name}: {text}{fix}", "unusable")
    return None


def temporary(connection: Any, error: Exception) -> str:
    """Return why a connection failed that may succeed later. The name of a container appears when it starts."""
    host = str(connection.settings_dict["HOST"])
    return f"{UNKNOWN_HOST} {host}" if _is_unknown(host) else reason(connection, error)


def reason(connection: Any, error: Exception) -> str:
    """Return the driver's message, in one line and without the password."""
    # PyMySQL and mysqlclient raise errors with a number and a text.
    message = str(error.args[1]) if connection.vendor == "mysql" and len(error.args) > 1 else str(error)
    text = " ".join(message.split()) or type(error).__name__
    if connection.vendor == "sqlite":
        return sqlite_error.reason(connection, text)
    password = str(connection.settings_dict["PASSWORD"] or "")
    return text.replace(password, MASK) if password else text


def _is_unknown(host: str) -> bool:
    """Return whether the host name does not resolve, or the name server is not reachable."""
    if not host or "/" in host or "," in host:
        return False
    try:
        socket.getaddrinfo(host, None)
    except (socket.gaierror, UnicodeError):
        return True
    return False
