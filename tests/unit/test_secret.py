import json

import pytest

from entrypoint.secret import Secret

PASSWORD = "open sesame"


def test_no_way_of_printing_shows_a_secret() -> None:
    secret = Secret(PASSWORD)
    shown = [str(secret), repr(secret), f"{secret}", f"{secret!r}", "%s" % secret, str([secret]), str({"p": secret})]  # noqa: UP031 -- an old way of printing, too
    assert [text for text in shown if "sesame" in text or "***" not in text] == []


def test_a_secret_is_revealed_when_asked() -> None:
    assert Secret(PASSWORD).reveal() == PASSWORD


def test_a_secret_is_no_text_and_cannot_slip_into_one() -> None:
    secret: object = Secret(PASSWORD)
    assert not isinstance(secret, str)
    with pytest.raises(TypeError):
        "password: " + secret  # type: ignore[operator]
    with pytest.raises(TypeError):
        json.dumps({"password": secret})


def test_secrets_are_compared_by_what_they_hold() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
