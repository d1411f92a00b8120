"""The URLs of ENTRYPOINT_WAIT_FOR, and that no message shows their passwords."""

import pytest

from entrypoint.boot.settings.types.endpoints import Endpoint, endpoints
from entrypoint.secret import Secret


@pytest.mark.parametrize(
    ("text", "endpoint", "shown"),
    [
        ("tcp://db:5432", Endpoint("tcp", "db", 5432), "tcp://db:5432"),
        ("tcp://[::1]:25", Endpoint("tcp", "::1", 25), "tcp://[::1]:25"),
        ("http://web/up?key=sesame", Endpoint("http", "web", 80, "/up?key=sesame"), "http://web:80/up"),
        ("https://web.example.com.", Endpoint("https", "web.example.com.", 443), "https://web.example.com.:443"),
        ("unix:/run/it", Endpoint("unix", path="/run/it"), "unix:/run/it"),
        ("unix:///run/it", Endpoint("unix", path="/run/it"), "unix:/run/it"),
        ("file:/run/a%20b", Endpoint("file", path="/run/a b"), "file:/run/a b"),
        ("postgresql://me@db/site", Endpoint("postgres", "db", 5432, "site", "me"), "postgres://db:5432"),
        ("mysql://db", Endpoint("mysql", "db", 3306), "mysql://db:3306"),
        ("redis://:s%40same@c/0", Endpoint("redis", "c", 6379, "0", "", Secret("s@same")), "redis://c:6379"),
        ("amqp://u:sesame@q:1//", Endpoint("amqp", "q", 1, "/", "u", Secret("sesame")), "amqp://q:1"),
    ],
)
def test_a_url_is_read_and_shown_without_its_secrets(text: str, endpoint: Endpoint, shown: str) -> None:
    (found,) = endpoints(text)
    assert found == endpoint
    assert str(found) == shown
    assert "same" not in repr(found).replace(f"path={found.path!r}", "")


def test_urls_are_separated_by_commas_or_spaces_and_each_counts_once() -> None:
    assert list(map(str, endpoints(" tcp://a:1,tcp://b:2, file:/c  tcp://a:1"))) == [
        "tcp://a:1",
        "tcp://b:2",
        "file:/c",
    ]
    assert endpoints(" ") == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sesame", "URL number 1 does not begin with one of tcp, http"),
        ("tcp://a:1 ftp://sesame", "URL number 2 does not begin with one of"),
        ("tcp://sesame", "has no port"),
        ("tcp://a:0", "has no port"),
        ("tcp://a:sesame", "has a port that is not a number from 1 to 65535"),
        ("tcp://a:65536", "has a port that is not a number from 1 to 65535"),
        ("redis://:ses,ame@cache", "has no host"),
        ("redis://:ses/ame@cache", "has no host"),
        ("redis://", "has no host"),
        ("redis://" + "a" * 64, "has no host"),
        ("redis://a..b", "has no host"),
        ("redis://[::g]", "is not a URL"),
        ("redis://cäche", "has no host"),
        ("redis://[sesame", "is not a URL"),
        ("unix:sesame", "has no absolute path, such as unix:/run/it"),
        ("file://sesame/x", "has no absolute path, such as file:/run/it"),
        ("unix:/" + "x" * 107, "has a path that is too long for a socket"),
        ("tcp://a:1\n", "it contains a control character"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused_without_being_shown(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        endpoints(text)
    assert why in str(caught.value)
    assert "ses" not in str(caught.value)
