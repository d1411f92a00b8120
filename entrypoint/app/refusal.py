"""Why a database took no connection: it is not there yet, or waiting cannot mend it."""

import re
import socket
from typing import Any, Final

from django.db.utils import InterfaceError, OperationalError

from entrypoint.app.failure import Failure

_NAME_GRACE: Final = 10.0  # seconds until the name of a host must be known: a neighbour's comes up with it
_MASK: Final = "***"

# MySQL and MariaDB, "Server Error Message Reference": no access to the database, wrong password, no such database,
# this host may not, old password, unknown plugin, no password; and of the client: the plugin cannot be loaded or used.
_MYSQL: Final = {1044, 1045, 1049, 1130, 1251, 1524, 1698, 2059, 2061}

# libpq hands on no SQLSTATE of a connection that failed, so its words must do. A server that speaks another language
# is waited for to the end, and what it says is told.
_WORDS: Final = re.compile(
    r"password authentication failed|authentication failed for user|no pg_hba\.conf entry|pg_hba\.conf rejects"
    r"|no password supplied|(?:database|role) \".*\" does not exist|no such (?:database|user)"
    r"|permission denied for database|is not permitted to log in"
    r"|certificate verify failed|certificate_verify_failed|server does not support ssl|root certificate file"
    r"|server certificate for|(?:certificate|private key) file .* (?:does not exist|could not)|invalid sslmode"
    r"|tls/ssl error: (?!.*(?:reset|eof|lost|read))|ssl is required|invalid (?:connection|uri) ",
    re.IGNORECASE,
)


def for_good(name: str, connection: Any, error: Exception, waited: float) -> Failure | None:  # noqa: ANN401 -- Django ships no types
    """Return the end of the boot if it makes no sense to try again, `waited` seconds after the first time."""
    told = why(connection, error)
    if connection.vendor == "sqlite":
        # A file does not come up by itself; but while another process changes its journal mode it is locked.
        return None if "locked" in told else Failure(f"cannot open database {name}: {told}", "not allowed")
    if not isinstance(error, OperationalError | InterfaceError) or _refused(error, told):
        return Failure(f"cannot use database {name}: {told}", "unusable")
    host = str(connection.settings_dict["HOST"])
    if waited >= _NAME_GRACE and _unknown(host):
        return Failure(
            f"cannot use database {name}: no host is named {host}, {waited:.0f} s after the start", "unusable"
        )
    return None


def why(connection: Any, error: Exception) -> str:  # noqa: ANN401 -- as above
    """Return what the driver says, in one line and without the password."""
    # PyMySQL and mysqlclient give a number and a text.
    said = str(error.args[1]) if connection.vendor == "mysql" and len(error.args) > 1 else str(error)
    text = " ".join(said.split()) or type(error).__name__
    password = str(connection.settings_dict["PASSWORD"] or "")
    return text.replace(password, _MASK) if password else text


def _refused(error: Exception, told: str) -> bool:
    return bool(error.args and error.args[0] in _MYSQL) or bool(_WORDS.search(told))


def _unknown(host: str) -> bool:
    """Whether the resolver says that there is no such host; that it cannot say is another matter."""
    if not host or "/" in host or "," in host:
        return False
    try:
        socket.getaddrinfo(host, None)
    except socket.gaierror as error:
        return error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
    except UnicodeError:
        return True
    return False
