"""Lets failed requests reach the log of the container, where the project does not configure logging for them itself.

With DEBUG off, Django by default writes an exception to nobody but ADMINS. The application server calls
`log_failed_requests` after it has loaded the application. This module is imported by its folder, without the package
`entrypoint`, which may be in another environment.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

NO_REQUEST: Final = "-"
"""The ID in records that are about no request."""

# The levels at which Django logs a failed request, and a request that it refuses for security.
_LEVELS: Final = {"django.request": logging.ERROR, "django.security": logging.WARNING}
_REQUEST: Final = "django.request."  # its warnings are about a missing page and the like
_WRONG_HOST: Final = "django.security.DisallowedHost"
_UNTRUSTED: Final = "HTTP_X_ENTRYPOINT_UNTRUSTED"  # conf/nginx-app.conf.j2 sets it to a part of a sentence
_REQUEST_ID: Final = r"[A-Za-z0-9._:+/=-]{1,128}"
_BY_NGINX: Final = r"X-Forwarded-(Proto|Host|Proto and X-Forwarded-Host) came from [0-9a-f.:]{2,45}"


def log_failed_requests() -> None:
    """Give Django's loggers a handler that writes to stderr, unless any handler takes failed requests already."""
    if "django.utils.log" not in sys.modules:
        return  # the application does not use Django
    if any(_is_configured(logging.getLogger(name), level) for name, level in _LEVELS.items()):
        return
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.addFilter(lambda record: record.levelno >= logging.ERROR or not f"{record.name}.".startswith(_REQUEST))
    handler.setFormatter(formatter())
    for logger in ("django", *(name for name in _LEVELS if not logging.getLogger(name).propagate)):
        logging.getLogger(logger).addHandler(handler)


def formatter() -> logging.Formatter:
    """Return the formatter for the log's format: lines of text, or an object that the log takes over key by key."""
    return _Json() if os.environ.get("ENTRYPOINT_LOG_FORMAT") == "json" else _Text()


def request_id(meta: Mapping[str, Any]) -> str:
    """Return the ID that nginx has given a request, from its META; "" if there is none."""
    given = meta.get("HTTP_X_REQUEST_ID", "")
    nginx = os.environ.get("ENTRYPOINT_NGINX") == "on"  # else a client can send this header itself
    return given if nginx and re.fullmatch(_REQUEST_ID, given) else ""


def _is_configured(logger: logging.Logger, level: int) -> bool:
    """Return whether the project has decided where the records of a logger go, or that they go nowhere."""
    if logger.disabled or not logger.isEnabledFor(level):
        return True
    handlers = list(_handlers(logger))
    record = logging.LogRecord(logger.name, level, __file__, 0, "", (), None)
    # Without any handler, Python writes a record to stderr.
    return not handlers or any(_takes(handler, record) for handler in handlers)


def _handlers(logger: logging.Logger) -> Iterator[logging.Handler]:
    at: logging.Logger | None = logger
    while at:
        yield from at.handlers
        at = at.parent if at.propagate else None


def _takes(handler: logging.Handler, record: logging.LogRecord) -> bool:
    """Return whether a handler takes such records, and does more than to mail them to ADMINS."""
    if type(handler).__name__ == "AdminEmailHandler":  # importing Django's mail for isinstance would take time
        return False
    try:
        return record.levelno >= handler.level and bool(handler.filter(record))
    except Exception:  # noqa: BLE001 -- the project's filter may expect a real request
        return True


class _Text(logging.Formatter):
    """Formats a record as text: the level, the logger and the message, then the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines."""
        line, traceback = f"{record.levelname} {record.name}: {_message(record)}", _traceback(self, record)
        if identifier := _request_id(record):
            line = f"{line} (request {identifier})"
        return f"{line}\n{traceback}" if traceback else line


class _Json(logging.Formatter):
    """Formats a record, with its traceback, as a JSON object in one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object."""
        fields = {"level": record.levelname, "logger": record.name, "message": _message(record)}
        if identifier := _request_id(record):
            fields["request_id"] = identifier
        if traceback := _traceback(self, record):
            fields["traceback"] = traceback
        return json.dumps(fields, ensure_ascii=False)


def _request_id(record: logging.LogRecord) -> str:
    """Return the ID of the request that a record is about; a filter of entrypoint.contrib has set it, or Django can."""
    if identifier := getattr(record, "request_id", ""):
        return "" if identifier == NO_REQUEST else str(identifier)
    try:
        return request_id(record.request.META)  # type: ignore[attr-defined] # Django's
    except Exception:  # noqa: BLE001 -- a record without an ID has to be logged, too
        return ""


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """Return the traceback; "" if there is none, and for a wrong host: scanners send those, and no code has failed."""
    if not record.exc_info or record.name == _WRONG_HOST:
        return ""
    return _printable(formatter.formatException(record.exc_info), but="\n\t")


def _message(record: logging.LogRecord) -> str:
    """Return the message, with the cause and the remedy where they are known."""
    message, cause = record.getMessage(), _cause(record)
    return _printable(f"{message.rstrip('.')}; {cause}" if cause else message)


def _printable(text: str, but: str = "") -> str:
    """Return `text` with its control characters escaped: a client may have sent them, to forge or to hide lines."""
    return "".join(
        char if char.isprintable() or char in but else char.encode("unicode_escape").decode() for char in text
    )


def _cause(record: logging.LogRecord) -> str:
    """Return why Django refused a request, and what to set to allow it; "" if that is not known."""
    try:
        return next(_causes(record.name, record.getMessage(), record.request), "")  # type: ignore[attr-defined] # Django's
    except Exception:  # noqa: BLE001 -- a record without an explanation has to be logged, too
        return ""


def _causes(logger: str, message: str, request: Any) -> Iterator[str]:
    nginx = os.environ.get("ENTRYPOINT_NGINX") == "on"  # else a client can send these headers itself
    untrusted = request.META.get(_UNTRUSTED, "") if nginx else ""
    if not re.fullmatch(_BY_NGINX, untrusted):  # behind an nginx.conf of the project's own, the client's words
        untrusted = ""
    if logger == _WRONG_HOST:
        if "X-Forwarded-Host" in untrusted:
            yield _trust(untrusted)
        if nginx and os.environ.get("NGINX_SERVER_NAME") == "_":
            yield "or set NGINX_SERVER_NAME to the hosts of this site, and nginx refuses all others"
    elif "Origin checking failed" in message or "Referer checking failed" in message:
        if untrusted:
            yield _trust(untrusted)
        scheme, host = request.scheme, request.get_host()
        if scheme == "http" and request.META.get("HTTP_ORIGIN") == f"https://{host}":
            if nginx and request.META.get("HTTP_X_FORWARDED_PROTO") == "https":
                yield 'set SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")'
            yield (
                "the client used https, but the request came as http: "
                "let the proxy set X-Forwarded-Proto, and name its address in FORWARDED_ALLOW_IPS"
            )
        yield f"Django sees this site as {scheme}://{host}; add your other origins to CSRF_TRUSTED_ORIGINS"


def _trust(untrusted: str) -> str:
    return f"{untrusted}, which FORWARDED_ALLOW_IPS does not trust; if that is your proxy, add its address"
