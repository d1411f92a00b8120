"""An nginx.conf that was written for another image, changed where this container differs.

Such a file names that image's user, socket and log files. They do not exist here, or are not safe to use.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.files.quote import nginx
from entrypoint.errors import Unusable

_SOCKET: Final = r"""["']?\bunix:(?://)?/tmp/uwsgi\.sock\b["']?"""
_TEMPORARY: Final = {
    "client_body_temp_path": "body",
    "proxy_temp_path": "proxy",
    "uwsgi_temp_path": "uwsgi",
    "fastcgi_temp_path": "fastcgi",
    "scgi_temp_path": "scgi",
}


class Adapted(NamedTuple):
    """The text for this container, and its differences to the user's file in words."""

    text: str
    changes: tuple[str, ...]


def adapted(config: ResolvedConfig) -> Adapted:
    """Return the nginx.conf in the application's folder as this container needs it.

    Raises Unusable if the application server does not speak the protocol of the socket.
    """
    text = config.machine.nginx_conf or ""
    if re.search(_SOCKET, text) and config.protocol != "uwsgi":
        raise Unusable(
            f"cannot use {config.own_nginx_conf}: it passes requests to uWSGI at /tmp/uwsgi.sock; "
            "set ENTRYPOINT_SERVER=uwsgi, or remove the file"
        )
    changes = []
    for pattern, becomes, words in _changes(config, text):
        # In the replacement of `re.subn` a backslash begins an escape.
        text, count = re.subn(pattern, becomes.replace("\\", r"\\"), text, flags=re.MULTILINE)
        if count:
            changes.append(words)
    return Adapted(text, tuple(changes))


def _changes(config: ResolvedConfig, text: str) -> Iterator[tuple[str, str, str]]:
    """Yield each pattern, the text that replaces it, and the change in words."""
    account = config.machine.account
    if config.nginx_switches and account.name:
        group = f" {nginx(account.group)}" if account.group else ""
        yield r"^[ \t]*user\s[^;{}#]*;", f"user {nginx(account.name)}{group};", f"user {account.name}"
    folder = config.run_dir / "nginx"
    # nginx's own folders need root, and a root file system that can be written.
    paths = [f"    {name} {nginx(folder / place)};" for name, place in _TEMPORARY.items() if name not in text]
    yield r"^[ \t]*http\s*\{", "\n".join(("http {", *paths)), f"temporary files in {folder}"
    pid = folder / "nginx.pid"
    yield r"^[ \t]*pid\s[^;{}#]*;", f"pid {nginx(pid)};", f"pid {pid}"
    yield _SOCKET, nginx(f"unix:{config.socket}"), f"socket {config.socket}"
    yield r"(?<=\baccess_log)\s+/var/log/nginx/[\w.-]+", " /dev/stdout", "access_log /dev/stdout"
    yield r"(?<=\berror_log)\s+/var/log/nginx/[\w.-]+", " stderr", "error_log stderr"
