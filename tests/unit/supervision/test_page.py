"""The status page's password, and requests that guess it."""

import base64
from collections.abc import Generator
from http import HTTPStatus
from typing import Any

import pytest

from entrypoint.supervision.page.page import PAGE, RESTART, Actions, Page
from entrypoint.supervision.page.password import Password
from entrypoint.supervision.web.conversation import Request, Response, Wait

RIGHT = "correct-horse: battery"


def basic(password: str, user: str = "admin") -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def data(_: Request) -> Generator[Wait, bool, dict[str, Any]]:
    yield from ()
    return {}


def answer(page: Page, method: str, path: str, **headers: str) -> Response:
    steps = page.routes[method, path](Request(method, path, headers))
    with pytest.raises(StopIteration) as ended:
        next(steps)
    response: Response = ended.value.value
    return response


@pytest.mark.parametrize("user", ["admin", "", "\u00fc"])
def test_the_password_opens_whatever_the_user(user: str) -> None:
    assert Password(RIGHT).accepts(basic(RIGHT, user))


@pytest.mark.parametrize(
    "given", ["", "Basic", "Basic !", "Bearer x", basic(""), basic(RIGHT[:-1]), basic(RIGHT + " "), "Basic /w=="]
)
def test_anything_else_does_not(given: str) -> None:
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
