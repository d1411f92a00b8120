"""Which SECRET_KEY can be guessed."""

import pytest

from entrypoint.app.production import weak_key


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("django-insecure-" + "abcdefghijklmnopqrstuvwxyz" * 2, "it begins with django-insecure-"),
        ("changeme", "it has fewer than 32 characters"),
        ("abcd" * 20, "it has fewer than 5 different characters"),
        (b"abcd", "it has fewer than 32 characters"),
        ("0123456789abcdef" * 2, ""),
        ("Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyMTI=", ""),
    ],
)
def test_a_key_that_can_be_guessed(key: str | bytes, why: str) -> None:
    assert weak_key(key) == why
