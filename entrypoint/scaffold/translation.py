"""`entrypoint init --from`: translate each line of an existing configuration, or say that it has no counterpart."""

import configparser
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from entrypoint.errors import Unusable
from entrypoint.scaffold.sources import text_of


class Line(NamedTuple):
    """One line of the old configuration."""

    file: str
    number: int
    text: str
    becomes: str  # its replacement, or why there is none

    def __str__(self) -> str:
        return f"{self.file}:{self.number}: {self.text}\n    -> {self.becomes}"


_DELETE: Final = "delete it: entrypoint configures and runs {}"
_NOTHING: Final = "nothing: there is no counterpart"

# What entrypoint/boot/settings/sources/compat.py understands, and our setting that does the same.
_TIANGOLO: Final = {
    "UWSGI_INI": "the same",
    "UWSGI_CHEAPER": "the same: uWSGI reads it",
    "UWSGI_PROCESSES": "the same: uWSGI reads it; or WEB_CONCURRENCY={} for as many workers at all times",
    "NGINX_MAX_UPLOAD": "the same; or NGINX_CLIENT_MAX_BODY_SIZE={} (0 is no limit, in both)",
    "NGINX_WORKER_PROCESSES": "the same",
    "NGINX_WORKER_CONNECTIONS": "the same",
    "NGINX_WORKER_OPEN_FILES": "the same",
    "LISTEN_PORT": "the same; or PORT={}",
    "STATIC_URL": "the same; or NGINX_STATIC_URL={}",
    "STATIC_PATH": "the same; or NGINX_STATIC_ROOT={}",
    "STATIC_INDEX": "the same; or NGINX_STATIC_INDEX=index.html instead of 1",
    "PYTHONPATH": "the same",
}
_TIANGOLO_IMAGE: Final = (
    "FROM entrypoint-base, and WORKDIR /app; the application runs as www-data, or as root with ENTRYPOINT_USER=root"
)
_TIANGOLO_FILES: Final = {
    "prestart.sh": "the same: it is sourced before the programs start",
    "uwsgi.ini": "the same; delete chown-socket, uid and gid, because uWSGI does not run as root",
    "nginx.conf": "the same, with our user, socket, pid file and logs; or move its locations to /etc/nginx/server.d",
    "main.py": "the same; or ENTRYPOINT_APP=main:app",
}

_SUPERVISOR: Final = {
    "command": "command = {quoted}",
    "directory": "directory = {quoted}",
    "user": "user = {quoted}",
    "stopsignal": "stop_signal = {quoted}",
    "numprocs": "replicas = {value}",
    "stopwaitsecs": 'stop_timeout = "{value}s"',
    "priority": 'nothing for the start: use after = ["NAME"]; stop_order decides the order of the stop',
}
_RESTARTS: Final = {"true": "always", "unexpected": "on-failure", "false": "never"}
_DEFAULTS: Final = re.compile("logfile|redirect_stderr|autostart|startsecs|startretries|stopasgroup|killasgroup")
_OURS: Final = re.compile(r"\b(nginx|uwsgi|gunicorn|uvicorn|granian)\b")

_GUNICORN: Final = {
    "bind": "PORT={}",
    "workers": "WEB_CONCURRENCY={}",
    "timeout": "ENTRYPOINT_REQUEST_TIMEOUT={}s",
    "graceful_timeout": "ENTRYPOINT_STOP_TIMEOUT={}s, the time of the whole stop",
    "forwarded_allow_ips": "FORWARDED_ALLOW_IPS={}",
    "accesslog": "NGINX_ACCESS_LOG=text, the default: nginx logs the requests",
    "access_logfile": "NGINX_ACCESS_LOG=text, the default: nginx logs the requests",
    "errorlog": "delete it: the log of each program goes to the container's output",
    "error_logfile": "delete it: the log of each program goes to the container's output",
    "loglevel": "the same, in gunicorn.conf.py",
    "log_level": "the same, in gunicorn.conf.py",
    "threads": "the same, in gunicorn.conf.py or GUNICORN_CMD_ARGS",
    "preload_app": "delete it: entrypoint loads the application before the workers",
    "preload": "delete it: entrypoint loads the application before the workers",
    "chdir": "ENTRYPOINT_APP_DIR={}",
    "user": "ENTRYPOINT_USER={}",
    "daemon": "delete it: supervisord runs gunicorn in the foreground",
    "pidfile": "delete it: supervisord runs gunicorn in the foreground",
    "max_requests": "the same, in gunicorn.conf.py or GUNICORN_CMD_ARGS",
    "max_requests_jitter": "the same, in gunicorn.conf.py or GUNICORN_CMD_ARGS",
    "keepalive": "delete it: nginx keeps the connections of the clients",
    "worker_tmp_dir": "the same, in gunicorn.conf.py",
    "certfile": "NGINX_TLS_CERTIFICATE={}",
    "keyfile": "NGINX_TLS_KEY={}",
}


def report(folder: Path, source: str) -> Iterator[str]:
    """Yield the translation of each line of the configuration of kind `source`. Raises Unusable if there is none."""
    read, expected = _READERS[source]
    found = list(read(folder))
    if not found:
        raise Unusable(f"cannot report on {source}: there is no {expected} in {folder}")
    yield from map(str, found)


def _tiangolo(folder: Path) -> Iterator[Line]:
    image = False
    for number, text in _lines(folder / "Dockerfile"):
        if re.match(r"FROM\s+tiangolo/", text, re.IGNORECASE):
            image = True
            yield Line("Dockerfile", number, text, _TIANGOLO_IMAGE)
        elif (match := re.match(r"ENV\s+(\w+)[=\s]\s*(.*)", text, re.IGNORECASE)) and image:
            becomes = _TIANGOLO.get(match[1], "the same: the application reads it")
            yield Line("Dockerfile", number, text, becomes.format(match[2].strip("\"'")))
        elif re.match(r"(CMD|ENTRYPOINT)\b", text, re.IGNORECASE) and image:
            yield Line("Dockerfile", number, text, "delete it: the base image starts entrypoint")
    for name, becomes in _TIANGOLO_FILES.items():
        for place in (folder / name, folder / "app" / name):
            if image and place.is_file():
                yield Line(place.relative_to(folder).as_posix(), 1, "(the file)", becomes)


def _supervisor(folder: Path) -> Iterator[Line]:
    for path in sorted(
        {*folder.glob("*.conf"), *folder.glob("*supervisor*/**/*.conf"), *folder.glob("*supervisor*.ini")}
    ):
        parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";", "#"))
        numbered = list(_lines(path))
        try:
            parser.read_string("\n".join(text for _, text in numbered))
        except configparser.Error as error:
            raise Unusable(f"cannot read {path}: {' '.join(str(error).split())}") from error
        name = path.relative_to(folder).as_posix()
        for section in parser.sections():
            number = next((n for n, text in numbered if text.strip() == f"[{section}]"), 1)
            yield from _section(name, number, section, parser[section], numbered)


def _section(
    file: str, number: int, section: str, keys: Mapping[str, str], numbered: list[tuple[int, str]]
) -> Iterator[Line]:
    kind, _, program = section.partition(":")
    if kind != "program":
        yield Line(file, number, f"[{section}]", _DELETE.format("supervisord"))
        return
    if ours := _OURS.search(keys.get("command", "")):
        yield Line(file, number, f"[{section}]", _DELETE.format(ours[1]))
        return
    yield Line(file, number, f"[{section}]", f"[programs.{program}] in entrypoint.toml")
    for key, value in keys.items():
        at = next((n for n, text in numbered if n > number and re.match(rf"\s*{key}\s*=", text, re.IGNORECASE)), number)
        yield Line(file, at, f"{key} = {value}", _program_key(key, value))


def _program_key(key: str, value: str) -> str:
    """Return what a key of a supervisord program becomes in entrypoint.toml."""
    standard = value in ("/dev/stdout", "/dev/stderr", "/dev/fd/1", "/dev/fd/2", "NONE", "AUTO")
    if key == "environment":
        pairs = re.findall(r"""(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^,]*))""", value)
        found = ", ".join(f"{name} = {_quoted(a or b or c)}" for name, a, b, c in pairs)
        return f"environment = {{ {found} }}"
    if key == "autorestart":
        return f'restart = "{_RESTARTS.get(value.lower(), "always")}"'
    if key in ("stdout_logfile", "stderr_logfile") and not standard:
        return f'log = "file:{value}"'
    usual = "delete it: entrypoint's defaults do that" if _DEFAULTS.search(key) else _NOTHING
    return _SUPERVISOR.get(key, usual).format(value=value, quoted=_quoted(value))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _procfile(folder: Path) -> Iterator[Line]:
    for number, text in _lines(folder / "Procfile"):
        name, colon, command = (part.strip() for part in text.partition(":"))
        if not colon or name.startswith("#"):
            continue
        if name == "web":
            yield Line("Procfile", number, text, f"the same, behind nginx; without the line, {_server(command)}")
        elif name == "release":
            yield Line("Procfile", number, text, "the same: it runs after the migrations, before the programs")
        else:
            yield Line("Procfile", number, text, f"the same: program {name}; ENTRYPOINT_PROGRAMS={name} runs it alone")


def _server(command: str) -> str:
    found = _OURS.search(command)
    return f"ENTRYPOINT_SERVER={found[1]} does the same" if found and found[1] != "nginx" else "uwsgi runs the site"


def _gunicorn(folder: Path) -> Iterator[Line]:
    for number, text in _lines(folder / "gunicorn.conf.py"):
        if match := re.match(r"([a-z_]+)\s*=\s*(.+)", text):
            yield Line("gunicorn.conf.py", number, text, _gunicorn_key(match[1], match[2].strip("\"'")))
    for file in ("Procfile", "Dockerfile", "entrypoint.sh", "docker-entrypoint.sh", "start.sh"):
        for number, text in _lines(folder / file):
            if re.search(r"\bgunicorn\b", text) and not re.match(r"\s*#|RUN\b|COPY\b", text):
                yield from _gunicorn_command(file, number, text)


def _gunicorn_command(file: str, number: int, text: str) -> Iterator[Line]:
    try:
        words = shlex.split(re.sub(r'[\[\],]|^CMD|^ENTRYPOINT|"', " ", text))
    except ValueError as error:
        raise Unusable(f"cannot read {file}, line {number}: {error}") from error
    words = words[words.index("gunicorn") + 1 :] if "gunicorn" in words else []
    short = {"-b": "bind", "-w": "workers", "-t": "timeout", "-k": "worker_class", "-u": "user", "-D": "daemon"}
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            if ":" in word or "." in word:
                yield Line(file, number, word, f"ENTRYPOINT_APP={word}, unless Django's WSGI_APPLICATION says so")
            continue
        name, equals, value = word.partition("=")
        key = short.get(name, name.lstrip("-").replace("-", "_"))
        if (
            not equals
            and words
            and (words[0] == "-" or not words[0].startswith("-"))
            and key not in ("preload", "daemon")
        ):
            value = words.pop(0)
        yield Line(file, number, f"{name} {value}".strip(), _gunicorn_key(key, value))


def _gunicorn_key(key: str, value: str) -> str:
    if key == "bind":
        port = value.rpartition(":")[2]
        return f"PORT={port}" if port.isdigit() else "delete it: entrypoint sets the address, and nginx stands in front"
    if key == "worker_class" and "uvicorn" in value:
        return "ENTRYPOINT_SERVER=uvicorn"
    return _GUNICORN.get(key, "the same, in gunicorn.conf.py, with ENTRYPOINT_SERVER=gunicorn").format(value)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Return the lines of a file with their numbers; none if it does not exist."""
    return enumerate(text_of(path).splitlines(), start=1)


_READERS: Final[Mapping[str, tuple[Callable[[Path], Iterator[Line]], str]]] = {
    "tiangolo": (_tiangolo, "Dockerfile that inherits from tiangolo's image"),
    "supervisor": (_supervisor, "configuration of supervisord (*.conf)"),
    "procfile": (_procfile, "Procfile"),
    "gunicorn": (_gunicorn, "gunicorn.conf.py and no command that runs gunicorn"),
}
"""The reader of each source, and what it reads."""
