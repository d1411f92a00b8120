"""The status page's password, and requests that guess it."""

import base64
from collections.abc import Generator
from http import HTTPStatus
from typing import Any

import pytest

from entrypoint.supervision.page.page import DATA, PAGE, RESTART, Actions, Page
from entrypoint.supervision.page.password import Password
from entrypoint.supervision.tasks import Wait
from entrypoint.supervision.web.conversation import Request, Response

RIGHT = "correct-horse: battery"


def basic(password: str, user: str = "admin") -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def data() -> Generator[Wait, bool, dict[str, Any]]:
    yield from ()
    return {}


def answer(page: Page, method: str, path: str, peer: str = "", **headers: str) -> Response:
    steps = page.routes[method, path](Request(method, path, headers, peer))
    with pytest.raises(StopIteration) as ended:
        next(steps)
    response: Response = ended.value.value
    return response


@pytest.mark.parametrize("user", ["admin", "", "\u00fc"])
def test_the_password_opens_whatever_the_user(user: str) -> None:
    assert Password(RIGHT).accepts(basic(RIGHT, user))


WRONG = [
    "",
    "Basic",
    "Basic !",
    "Bearer x",
    basic(""),
    basic(RIGHT[:-1]),
    basic(RIGHT + " "),
    "Basic /w==",
    "Basic \u00fc",
]


@pytest.mark.parametrize("given", WRONG)
def test_a_wrong_password_or_header_does_not_open_the_page(given: str) -> None:
    assert not Password(RIGHT).accepts(given)


def test_after_some_wrong_passwords_none_is_accepted_for_a_while() -> None:
    log: list[str] = []
    page = Page(RIGHT, data, Actions(lambda _: "", lambda: ""), log.append)
    wrong = [answer(page, "GET", PAGE, authorization=basic(f"wrong-{number}")).status for number in range(12)]
    assert wrong == [HTTPStatus.UNAUTHORIZED] * 10 + [HTTPStatus.TOO_MANY_REQUESTS] * 2
    assert answer(page, "GET", PAGE, authorization=basic(RIGHT)).status == HTTPStatus.TOO_MANY_REQUESTS
    assert log == ["status page: wrong password from a client of the socket"] * 10


def test_guesses_that_are_old_do_not_count() -> None:
    password = Password(RIGHT, wrong=2, within=0.0)
    assert not any(password.accepts(basic("wrong")) for _ in range(3))
    assert not password.blocked


def test_a_request_without_a_password_is_no_guess() -> None:
    page = Page(RIGHT, data, Actions(lambda _: "", lambda: ""), lambda _: None)
    assert {answer(page, "GET", PAGE).status for _ in range(20)} == {HTTPStatus.UNAUTHORIZED}
    assert answer(page, "GET", PAGE, authorization=basic(RIGHT)).status == HTTPStatus.OK


def test_the_token_of_another_page_does_not_act() -> None:
    acted: list[str] = []

    def restart(name: str) -> str:
        acted.append(name)
        return ""

    page, other = (Page(RIGHT, data, Actions(restart, lambda: ""), lambda _: None) for _ in range(2))
    text = answer(other, "GET", PAGE, authorization=basic(RIGHT)).body
    token = text.partition('name="token" content="')[2].partition('"')[0]
    headers = {"authorization": basic(RIGHT), "x-entrypoint-token": token, "x-entrypoint-program": "worker"}
    assert answer(page, "POST", RESTART, **headers).status == HTTPStatus.FORBIDDEN
    assert answer(other, "POST", RESTART, **headers).status == HTTPStatus.ACCEPTED
    assert acted == ["worker"]


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        *((host, 1) for host in ("localhost", "127.0.0.1:8080", "[::1]:80", "")),
        *(
            (host, 0)
            for host in ("evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example")
        ),
    ],
)
def test_without_a_password_the_name_of_a_stranger_leads_nowhere(host: str, shown: int) -> None:
    page = Page("", data, Actions(lambda _: "", lambda: ""), lambda _: None)
    assert answer(page, "GET", DATA, host=host).status == (HTTPStatus.OK if shown else HTTPStatus.FORBIDDEN)
    guarded = Page(RIGHT, data, Actions(lambda _: "", lambda: ""), lambda _: None)
    assert answer(guarded, "GET", DATA, host=host, authorization=basic(RIGHT)).status == HTTPStatus.OK


@pytest.mark.parametrize(("peer", "everybody", "shown"), [
    ("127.0.0.1", True, 1), ("::1", True, 1), ("", True, 1), ("10.0.0.1", True, 0), ("10.0.0.1", False, 1),
])  # fmt: skip
def test_without_a_password_an_open_port_shows_it_to_the_container_alone(
    peer: str, shown: int, *, everybody: bool
) -> None:
    page = Page("", data, Actions(lambda _: "", lambda: ""), lambda _: None, everybody=everybody)
    assert answer(page, "GET", DATA, peer).status == (HTTPStatus.OK if shown else HTTPStatus.FORBIDDEN)


@pytest.mark.parametrize(("peer", "named", "logged"), [
    ("", "2001:db8::1", "2001:db8::1"), ("", "1.2.3.4 \r CRIT a line \x1b[31m", "a client of the socket"),
    ("10.0.0.1", "6.6.6.6", "10.0.0.1"),
])  # fmt: skip
def test_no_header_is_logged_as_it_is(peer: str, named: str, logged: str) -> None:
    log: list[str] = []
    page = Page(RIGHT, data, Actions(lambda _: "no", lambda: ""), log.append)
    answer(page, "GET", PAGE, peer, **{"authorization": basic("x"), "x-real-ip": named})
    text = answer(page, "GET", PAGE, authorization=basic(RIGHT)).body
    token = text.partition('name="token" content="')[2].partition('"')[0]
    headers = {"authorization": basic(RIGHT), "x-entrypoint-token": token, "x-entrypoint-program": "a\r\x1b[2J"}
    answer(page, "POST", RESTART, peer, **headers, **{"x-real-ip": named})
    assert log == [f"status page: wrong password from {logged}", f"status page: restart a\\r\\x1b[2J for {logged}: no"]
