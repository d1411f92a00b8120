"""A line of a program as a JSON object: time, level, program, message, then fields. docs/how-to/logs.md describes it.

boot and supervisord's plugin use it; only a log in JSON imports it.
"""

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from json.encoder import encode_basestring as quoted
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from entrypoint.output.clock import timestamp

INFO: Final = "info"
NO_FIELDS: Final[Mapping[str, Any]] = MappingProxyType({})
_OURS: Final = frozenset({"time", "program", "stream", "pid", "step", "phase"})
"""The keys whose values are never those of the line."""
_MESSAGES: Final = ("message", "msg", "event")  # the last one is structlog's
_LEVELS: Final = {
    **dict.fromkeys(("debug", "trace", "debg", "trac", "blat"), "debug"),
    **dict.fromkeys(("info", "notice", "information"), "info"),
    **dict.fromkeys(("warning", "warn"), "warning"),
    **dict.fromkeys(("error", "erro", "err"), "error"),
    **dict.fromkeys(("critical", "crit", "fatal", "alert", "emerg", "emergency"), "critical"),
}
"""Python's, syslog's (nginx) and supervisord's names of the levels."""


class Source(NamedTuple):
    """The origin of a line."""

    program: str
    stream: str
    pid: int


class Said(NamedTuple):
    """The parsed content of a line."""

    level: str
    message: str
    fields: Mapping[str, Any] = NO_FIELDS


def of_line(now: str, source: Source, line: str, level: str = INFO, fields: Mapping[str, str] = NO_FIELDS) -> str:
    """Return the object, as text without a newline, for a line that was written at the time `now`.

    A `level` other than info replaces the line's own; `fields` are added to the line's own.
    """
    if source.program == "nginx" and (request := _request(source, line)):
        return request
    try:
        said = parse(source.program, line)
        return _text(now, source, said._replace(level=level) if level != INFO else said, fields)
    except (ValueError, RecursionError):  # JSON cannot express all that Python reads: 1e999 is infinity
        return _text(now, source, Said(INFO, line), fields)


def of_lines(now: str, source: Source, lines: Iterable[str]) -> Iterator[str]:
    """Yield what `of_line` returns for each line, in half the time: most lines are text of the application."""
    if source.program in _FORMATS:
        yield from (of_line(now, source, line) for line in lines)
        return
    begin, end = f'{{"time":"{now}",', f"{_tail(source)}}}"
    for line in lines:
        if line.startswith("{"):
            yield of_line(now, source, line)
        else:
            yield f"{begin}{_head(_level(line), source.program)}{quoted(line)}{end}"


_STRING: Final = r'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})[^"\\\x00-\x1f]*+)*+"'
_NUMBER: Final = r"(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+"
_KEYS: Final = ("client", "method", "uri", "status", "bytes", "seconds", "referer", "agent", "host", "upstream_seconds")
_NUMBERS: Final = ("status", "bytes", "seconds", "upstream_seconds")
_REQUEST: Final = re.compile(
    rf'{{"msec":([0-9]{{1,11}})\.([0-9]{{3}}),("level":"(?:info|error)"),("message":{_STRING})('
    + "".join(rf'\,"{key}":{f"(?:{_NUMBER}|null)" if key in _NUMBERS else _STRING}' for key in _KEYS)
    + rf',"request_id":{_STRING},"connection":{_NUMBER}}})'
)
"""The format `json` of conf/nginx.conf.j2. Two workers of nginx may mix long lines, and the application's user can
write to the output of nginx's workers: lines of another form are parsed."""


def _request(source: Source, line: str) -> str | None:
    """Return the object for a request of nginx; None for another line.

    nginx writes its lines up to a second late, so the time is that of the request. Each line is a JSON object already:
    only the order of its keys changes.
    """
    if not (found := _REQUEST.fullmatch(line)):
        return None
    second, milliseconds, level, message, rest = found.groups()
    time, program = f"{_second(int(second))}.{milliseconds}Z", quoted(source.program)
    return f'{{"time":"{time}",{level},"program":{program},{message}{_tail(source)}{rest}'


@functools.lru_cache(8)
def _second(second: int) -> str:
    return timestamp(second * 1_000_000_000).partition(".")[0]


def _text(now: str, source: Source, said: Said, fields: Mapping[str, str]) -> str:
    every = {**said.fields, **fields} if fields else said.fields
    rest = f",{_ENCODER.encode(every)[1:]}" if every else "}"
    head, tail = _head(said.level, source.program), _tail(source)
    return f'{{"time":"{now}",{head}{quoted(said.message)}{tail}{rest}'


@functools.lru_cache
def _head(level: str, program: str) -> str:
    return f'"level":"{level}","program":{quoted(program)},"message":'


@functools.lru_cache
def _tail(source: Source) -> str:
    return f',"stream":"{source.stream}","pid":{source.pid}'


def parse(program: str, line: str) -> Said:
    """Parse a line by the formats that the program of this name writes."""
    if line.startswith("{") and (object_ := _object(line)):
        return _of_object(object_)
    form = _FORMATS.get(program)
    return form(line) if form else Said(_level(line), line)


def _object(line: str) -> dict[str, Any] | None:
    """Return the object of a line that is one; otherwise None."""
    try:
        object_ = _DECODER.decode(line)
    except (ValueError, RecursionError):
        return None
    return object_ if isinstance(object_, dict) else None


def _refuse(constant: str) -> None:
    """Refuse NaN and Infinity, which Python parses although they are not JSON."""
    raise ValueError(constant)


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse)  # json.loads would make one for each line
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _of_object(fields: dict[str, Any]) -> Said:
    """Merge an object that the program wrote. A key that has another meaning here gets the prefix `app_`."""
    if not _OURS.isdisjoint(fields):
        fields = {f"app_{key}" if key in _OURS else key: value for key, value in fields.items()}
    message = next((fields.pop(key) for key in _MESSAGES if key in fields), "")
    own_level = fields.pop("level", None)
    level = _known(own_level)
    if level is None:
        level = _known(fields.get("levelname")) or _known(fields.get("severity")) or INFO
        if own_level is not None:
            fields["app_level"] = own_level
    return Said(level, message if isinstance(message, str) else _ENCODER.encode(message), fields)


def _known(level: object) -> str | None:
    return _LEVELS.get(level.lower()) if isinstance(level, str) else None


_BY_LEVEL: Final = re.compile(
    r"[\[\]()0-9TZ:.,+\- ]*(DEBUG|INFO|NOTICE|WARNING|WARN|ERROR|CRITICAL|FATAL)(?=[]:/| \-]|$)"
)
"""Only a time, a process ID or brackets stand before the level: Python, gunicorn, uvicorn, granian, celery."""


def _level(line: str) -> str:
    found = _BY_LEVEL.match(line)
    return _LEVELS[found[1].lower()] if found else INFO


_NGINX: Final = re.compile(
    r"(?:\d{4}/\d\d/\d\d \d\d:\d\d:\d\d |nginx: )\[(\w+)\] (?:\d+#\d+: )?(?:\*(\d+) )?(.*)", re.DOTALL
)


def _nginx(line: str) -> Said:
    """Parse a line of nginx's error log. The access log has the number of the connection, too."""
    if not (found := _NGINX.fullmatch(line)):
        return Said(INFO, line)
    fields = {"connection": int(found[2])} if found[2] else {}
    return Said(_LEVELS.get(found[1], INFO), found[3], fields)


_SERVER_ERROR: Final = 500  # HTTP
_UWSGI_TIME: Final = re.compile(r"(?:[A-Z][a-z]{2} ){2}[ \d]\d \d\d:\d\d:\d\d \d{4} - ")
_UWSGI_LEVELS: Final = (
    (("*** WARNING", "[WARNING]", "[warn]", "!!! WARNING"), "warning"),
    (("*** HARAKIRI", "HARAKIRI ", "DAMN ! ", "!!! ", "[ERROR]", "unable to ", "uwsgi_"), "error"),
)
_UWSGI_REQUEST: Final = re.compile(
    r"\[pid: (?P<worker>\d+)\] (?P<client>\S*) (?P<method>\S+) (?P<uri>.*) => generated (?P<bytes>\d+) bytes "
    r"in (?P<milliseconds>\d+) msecs \(\S* (?P<status>\d+)\) request (?P<id>\S+)",
    re.DOTALL,
)
"""As conf/uwsgi.ini.j2 sets it."""


def _uwsgi(line: str) -> Said:
    line = line[found.end() :] if (found := _UWSGI_TIME.match(line)) else line
    if line.startswith("[pid: ") and (request := _UWSGI_REQUEST.fullmatch(line)):
        status = int(request["status"])
        fields = {
            "client": request["client"],
            "method": request["method"],
            "uri": request["uri"],
            "status": status,
            "bytes": int(request["bytes"]),
            "seconds": int(request["milliseconds"]) / 1000,
            "worker": int(request["worker"]),
            **({"request_id": request["id"]} if request["id"] != "-" else {}),
        }
        level = "error" if status >= _SERVER_ERROR else INFO
        return Said(level, f"{request['method']} {request['uri']} {status}", fields)
    known = next((level for begins, level in _UWSGI_LEVELS if line.strip().startswith(begins)), None)
    return Said(known or _level(line), line)


def _supervisord(line: str) -> Said:
    """Parse a line of supervisord. The plugin has put the level before it, except INFO and DEBUG."""
    word, _, rest = line.partition(" ")
    return Said(_LEVELS[word.lower()], rest) if word in ("WARN", "ERRO", "CRIT") else Said(INFO, line)


def _entrypoint(line: str) -> Said:
    return Said("error" if line.startswith("cannot ") else INFO, line)


_FORMATS: Final[Mapping[str, Callable[[str], Said]]] = {
    "entrypoint": _entrypoint,
    "nginx": _nginx,
    "supervisord": _supervisord,
    "uwsgi": _uwsgi,
}
"""By the names of the programs, which no user's program can have."""
