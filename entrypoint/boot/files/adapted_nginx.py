"""An nginx.conf that was written for another image, changed where this container differs.

Such a file names that image's user, socket and log files. They do not exist here, or are not safe to use.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.files.quote import nginx
from entrypoint.errors import Unusable

_SOCKET: Final = re.compile(r"""["']?\bunix:(?://)?/tmp/uwsgi\.sock\b["']?""")
_USER: Final = re.compile(r"^[ \t]*user\s[^;{}#]*;", re.MULTILINE)
_PID: Final = re.compile(r"^[ \t]*pid\s[^;{}#]*;", re.MULTILINE)
_ACCESS_LOG: Final = re.compile(r"(?<=\baccess_log)\s+/var/log/nginx/[\w.-]+")
_HTTP: Final = re.compile(r"^[ \t]*http\s*\{", re.MULTILINE)
_TEMPORARY: Final = {
    "client_body_temp_path": "body",
    "proxy_temp_path": "proxy",
    "uwsgi_temp_path": "uwsgi",
    "fastcgi_temp_path": "fastcgi",
    "scgi_temp_path": "scgi",
}
_ERROR_LOG: Final = re.compile(r"(?<=\berror_log)\s+/var/log/nginx/[\w.-]+")


class Adapted(NamedTuple):
    """The text for this container, and its differences to the user's file in words."""

    text: str
    changes: tuple[str, ...]


class _Change(NamedTuple):
    pattern: re.Pattern[str]
    becomes: str
    words: str


def adapted(config: ResolvedConfig) -> Adapted:
    """Return the nginx.conf in the application's folder as this container needs it.

    Raises Unusable if the application server does not speak the protocol of the socket.
    """
    text = config.machine.nginx_conf or ""
    if _SOCKET.search(text) and config.protocol != "uwsgi":
        raise Unusable(
            f"cannot use {config.own_nginx_conf}: it passes requests to uWSGI at /tmp/uwsgi.sock; "
            "set ENTRYPOINT_SERVER=uwsgi, or remove the file"
        )
    changes = []
    for change in _changes(config, text):
        text, count = change.pattern.subn(lambda _, becomes=change.becomes: becomes, text)  # type: ignore[misc]
        if count:
            changes.append(change.words)
    return Adapted(text, tuple(changes))


def _changes(config: ResolvedConfig, text: str) -> Iterator[_Change]:
    account = config.machine.account
    if config.nginx_switches and account.name:
        group = f" {nginx(account.group)}" if account.group else ""
        yield _Change(_USER, f"user {nginx(account.name)}{group};", f"user {account.name}")
    folder = config.run_dir / "nginx"
    # nginx's own folders need root, and a root file system that can be written.
    paths = [f"    {name} {nginx(folder / place)};" for name, place in _TEMPORARY.items() if name not in text]
    yield _Change(_HTTP, "\n".join(("http {", *paths)), f"temporary files in {folder}")
    pid = folder / "nginx.pid"
    yield _Change(_PID, f"pid {nginx(pid)};", f"pid {pid}")
    yield _Change(_SOCKET, nginx(f"unix:{config.socket}"), f"socket {config.socket}")
    yield _Change(_ACCESS_LOG, " /dev/stdout", "access_log /dev/stdout")
    yield _Change(_ERROR_LOG, " stderr", "error_log stderr")
