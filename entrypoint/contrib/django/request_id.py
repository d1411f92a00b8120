"""The ID of the request in each line that a Django project logs while it answers that request.

docs/how-to/logs.md shows the lines for MIDDLEWARE and LOGGING.
"""

import logging
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from inspect import iscoroutinefunction
from typing import Any

from django.core.signals import request_finished
from django.utils.decorators import sync_and_async_middleware

from entrypoint.app.served import entrypoint_logging
from entrypoint.app.served.entrypoint_logging import NO_REQUEST, formatter

__all__ = ["Filter", "current", "formatter", "middleware"]

_current: ContextVar[str] = ContextVar("entrypoint_request_id", default="")


def current() -> str:
    """Return the ID of the request that is answered now; "" outside of requests."""
    return _current.get()


@sync_and_async_middleware  # type: ignore[untyped-decorator] # Django ships no types
def middleware(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Remember the request's ID, also as `request.request_id`: nginx's, or without nginx a new one."""
    # Not at the end of the middleware: a streamed response is produced after that.
    request_finished.connect(_forget)

    def remember(request: Any) -> None:
        request.request_id = entrypoint_logging.request_id(request.META) or uuid.uuid4().hex
        _current.set(request.request_id)

    async def answer_async(request: Any) -> Any:
        remember(request)
        return await get_response(request)

    def answer(request: Any) -> Any:
        remember(request)
        return get_response(request)

    return answer_async if iscoroutinefunction(get_response) else answer


def _forget(**_: object) -> None:
    """Forget the ID: the thread answers other requests."""
    _current.set("")


class Filter(logging.Filter):
    """Sets `request_id` of each record, for formats with `{request_id}`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Set it, and let the record pass. Some records of Django come after the middleware, with the request."""
        request = getattr(record, "request", None)
        record.request_id = current() or getattr(request, "request_id", "") or NO_REQUEST
        return True
