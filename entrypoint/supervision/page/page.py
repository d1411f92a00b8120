"""Answers the requests of the status page.

A client may read the page if it may read the metrics or knows the password. The buttons need the password, and a token
that only the page contains, so no other site can press them. Each user of the container may connect, so each header is
escaped in the log.
"""

import json
import re
import secrets
import time
from collections.abc import Callable, Generator, Mapping
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, NamedTuple

from entrypoint.output.log import printable
from entrypoint.supervision.page.password import Password
from entrypoint.supervision.tasks import Wait
from entrypoint.supervision.web.conversation import Handler, Request, Response, Routes

PAGE = "/-/"
DATA = "/-/page.json"
RESTART = "/-/page/restart"
RELOAD = "/-/page/reload"

TOKEN = "x-entrypoint-token"  # noqa: S105 - the name of a header
PROGRAM = "x-entrypoint-program"
"""The header that names the program to restart."""

_HTML = Path(__file__).with_name("page.html")
_ADDRESS: Final = re.compile(r"[0-9a-fA-F:.]{2,45}")
_OWN_HOST: Final = re.compile(r"(localhost|[0-9.]+|\[[0-9a-f:.]+\])(:[0-9]*)?", re.IGNORECASE)
"""A host name that no stranger controls: another one may lead to this address only now, for a browser that has loaded a
stranger's page from there (DNS rebinding)."""
_UNAUTHORIZED = (("WWW-Authenticate", 'Basic realm="status page", charset="UTF-8"'),)


class Actions(NamedTuple):
    """The actions of the buttons. Each returns why it was refused, or an empty text."""

    restart: Callable[[str], str]
    reload: Callable[[], str]


class Page:
    """The page, its data and its actions."""

    def __init__(
        self,
        password: str,
        data: Callable[[], Generator[Wait, bool, Mapping[str, Any]]],
        actions: Actions,
        log: Callable[[str], None],
        *,
        everybody: bool = False,
    ) -> None:
        """Without a password the buttons are refused. `log` gets a line for each action, and for each wrong password.

        `everybody`: any address may connect, so without a password only loopback addresses may see the page.
        """
        self._password = Password(password) if password else None
        self._data = data
        self._actions = actions
        self._log = log
        self._everybody = everybody
        self._token = secrets.token_urlsafe()

    @property
    def routes(self) -> Routes:
        """The handlers by method and path."""
        return {
            ("GET", PAGE): self._guarded(self._show),
            ("GET", DATA): self._guarded(self._tell),
            ("POST", RESTART): self._guarded(self._acting(self._restart)),
            ("POST", RELOAD): self._guarded(self._acting(self._reload)),
        }

    def _guarded(self, handler: Handler) -> Handler:
        def answer(request: Request) -> Generator[Wait, bool, Response]:
            if self._password:
                if self._password.blocked:
                    text = "too many wrong passwords; try again in a minute\n"
                    return Response(text, status=HTTPStatus.TOO_MANY_REQUESTS, headers=(("Retry-After", "60"),))
                given = request.headers.get("authorization", "")
                if not self._password.accepts(given):
                    if given:
                        self._log(f"status page: wrong password from {_client(request)}")
                    return Response("password?\n", status=HTTPStatus.UNAUTHORIZED, headers=_UNAUTHORIZED)
            elif why := self._hidden(request):
                return Response(f"{why}\n", status=HTTPStatus.FORBIDDEN)
            return (yield from handler(request))

        return answer

    def _hidden(self, request: Request) -> str:
        """Return why a client without a password may not see the page, or an empty text."""
        if self._everybody and request.peer and not ip_address(request.peer).is_loopback:
            return "to see this page, set ENTRYPOINT_STATUS_PASSWORD or ENTRYPOINT_METRICS_ALLOW"
        if (host := request.headers.get("host", "")) and not _OWN_HOST.fullmatch(host):
            return "use an IP address or localhost, or set ENTRYPOINT_STATUS_PASSWORD"
        return ""

    def _acting(self, act: Callable[[Request], str]) -> Handler:
        def answer(request: Request) -> Generator[Wait, bool, Response]:
            yield from ()
            if why := self._refused(request):
                return _said(why, HTTPStatus.FORBIDDEN)
            if why := act(request):
                return _said(why, HTTPStatus.CONFLICT)
            return _said("", HTTPStatus.ACCEPTED)

        return answer

    def _refused(self, request: Request) -> str:
        if self._password is None:
            return "to restart programs and to reload from this page, set ENTRYPOINT_STATUS_PASSWORD"
        own = request.headers.get("sec-fetch-site", "same-origin") == "same-origin"
        if not own or not secrets.compare_digest(request.headers.get(TOKEN, "").encode(), self._token.encode()):
            return "the request does not come from this page; load it again"
        return ""

    def _show(self, _: Request) -> Generator[Wait, bool, Response]:
        yield from ()
        nonce = secrets.token_urlsafe()
        policy = f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'"
        headers = (
            ("Content-Security-Policy", f"{policy}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
        )
        text = _HTML.read_text("utf-8").replace("NONCE", nonce).replace("TOKEN", self._token if self._password else "")
        return Response(text, "text/html; charset=utf-8", headers=headers)

    def _tell(self, _: Request) -> Generator[Wait, bool, Response]:
        data = yield from self._data()
        return Response(json.dumps({"now": round(time.time(), 3), **data}), "application/json")

    def _restart(self, request: Request) -> str:
        name = request.headers.get(PROGRAM, "")
        why = self._actions.restart(name)
        self._log(f"status page: restart {printable(name)} for {_client(request)}{f': {why}' if why else ''}")
        return why

    def _reload(self, request: Request) -> str:
        why = self._actions.reload()
        self._log(f"status page: reload for {_client(request)}{f': {why}' if why else ''}")
        return why


def _said(why: str, status: HTTPStatus) -> Response:
    return Response(json.dumps({"why": why}), "application/json", status=status)


def _client(request: Request) -> str:
    """Return the client's address; on the Unix socket nginx names it."""
    address = request.peer or request.headers.get("x-real-ip", "")
    return address if _ADDRESS.fullmatch(address) else "a client of the socket"
