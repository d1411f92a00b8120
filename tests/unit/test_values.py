"""The types of settings: accepted values, refused values, and messages."""

import math
from ipaddress import ip_network
from pathlib import PurePosixPath
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from entrypoint.boot.settings.types import addresses, values
from entrypoint.boot.settings.types.addresses import Listen
from entrypoint.boot.settings.types.values import Type, shown
from entrypoint.secret import Secret

one_of = values.choice("auto", "off")
SITE = Secret("postgres://name:pa%2Fss@db:5432/site?sslmode=require")

TAKEN: list[tuple[Type[Any], str, Any]] = [
    (values.text, "a text; with 'all' kinds of \\ $ % {} #, ünïcode and  spaces", None),
    (addresses.listen, "1", Listen(1)),
    (addresses.listen, "65535", Listen(65535)),
    (addresses.listen, "8080", Listen(8080)),
    (addresses.listen, "127.0.0.1:8080", Listen(8080, "127.0.0.1")),
    (addresses.listen, "0.0.0.0:80", Listen(80, "0.0.0.0")),
    (addresses.listen, "[::1]:8080", Listen(8080, "[::1]")),
    (addresses.listen, "[0:0::1]:8080", Listen(8080, "[::1]")),
    (values.count, "1", 1),
    (values.count, "999999", 999999),
    (values.count_or_auto, "3", 3),
    (values.duration, "30s", 30.0),
    (values.duration, "500ms", 0.5),
    (values.duration_or_off, "5m", 300.0),
    (values.duration_or_off, "off", math.inf),
    (values.duration, "5m", 300.0),
    (values.duration, "1h", 3600.0),
    (values.duration, "1.5", 1.5),
    (values.duration, "0", 0.0),
    (values.size, "0", 0),
    (values.size, "10m", 10 << 20),
    (values.size, "512K", 512 << 10),
    (values.size, "1g", 1 << 30),
    (values.size, "100", 100),
    (values.path, "/srv/app", PurePosixPath("/srv/app")),
    (values.path, "/with space/and;more", PurePosixPath("/with space/and;more")),
    (values.file_name, "index.html", None),
    (values.file_name, "app-1.min_2.html", None),
    (values.email, "someone@example.com", None),
    (values.email, "someone@localhost", None),
    (values.module, "config.settings", None),
    (values.module, "_a1", None),
    (values.application, "app:app", None),
    (values.application, "package.module:factory()", None),
    (values.application, "package.module:obj.attribute", None),
    (values.account, "www-data", None),
    (values.account, "machine$", None),
    (values.account, "1000", None),
    (values.account, "1000:2000", None),
    (values.account, "4294967294", None),
    (values.secret, "line one\nline two", Secret("line one\nline two")),
    (addresses.database_url, "postgres://name:pa%2Fss@db:5432/site?sslmode=require", SITE),
    (addresses.database_url, "mysql://db/site", Secret("mysql://db/site")),
    (values.yes_or_no, "yes", True),
    (values.yes_or_no, "no", False),
    (one_of, "auto", None),
    (addresses.networks, "", ()),
    (addresses.networks, "192.0.2.1", (ip_network("192.0.2.1/32"),)),
    (
        addresses.networks,
        "10.0.0.0/8, fd00::/8  ::1,,10.0.0.0/8",
        tuple(map(ip_network, ("10.0.0.0/8", "fd00::/8", "::1"))),
    ),
    (addresses.networks, "*", (ip_network("0.0.0.0/0"), ip_network("::/0"))),
    (addresses.hosts, "_", ("_",)),
    (
        addresses.hosts,
        "Example.com, *.example.com .example.net www.example.*",
        ("example.com", "*.example.com", ".example.net", "www.example.*"),
    ),
    (addresses.hosts, "a,a A", ("a",)),
    (addresses.hosts, "xn--bcher-kva.example 192.0.2.1", ("xn--bcher-kva.example", "192.0.2.1")),
    (addresses.request_path, "/up/?a=b", "/up/?a=b"),
    (addresses.request_path, "off", "off"),
    (addresses.url_path, "/files", "/files/"),
    (addresses.url_path, "/files/a b/", "/files/a b/"),
    (values.names, "", ()),
    (values.names, "A", ("A",)),
    (values.names, "SECRET_KEY, API_TOKEN  B,,C", ("SECRET_KEY", "API_TOKEN", "B", "C")),
]

A_PORT = "a port is a number from 1 to 65535"
A_COUNT = "it is not a whole number from 1 to 999999"
A_DURATION = "a duration is a number with ms, s, m or h, such as 30s"
A_HOST = "a host name has the form example.com, *.example.com or www.example.*, in ASCII"
A_REQUEST_PATH = "it is neither off nor a path that begins with / and has only ASCII characters without spaces"
A_URL_PATH = "a URL path must not contain ?, #, $, an empty part or a part that begins with a dot"
A_DATABASE = "it is not of the form postgres://name:password@host:port/database, or mysql://"
A_SIZE = "a size is a whole number with k, m or g, such as 10m"
REFUSED: list[tuple[Type[Any], str, str]] = [
    (values.text, "two\nlines", "it contains a control character"),
    (values.text, "\x00", "it contains a control character"),
    (values.text, "\x1b[31m", "it contains a control character"),
    (values.text, "\x7f", "it contains a control character"),
    (values.text, "caf\udce9", "it is not UTF-8 text"),
    (addresses.listen, "", A_PORT),
    (addresses.listen, "0", A_PORT),
    (addresses.listen, "65536", A_PORT),
    (addresses.listen, "99999", A_PORT),
    (addresses.listen, "0000099999", A_PORT),
    (addresses.listen, "9" * 100_000, A_PORT),
    (addresses.listen, "-1", A_PORT),
    (addresses.listen, "80 ", A_PORT),
    (addresses.listen, "http", A_PORT),
    (addresses.listen, "٨٠", A_PORT),
    (addresses.listen, "1.2.3.4:", A_PORT),
    (addresses.listen, "::1:80", "an IPv6 address before a port must be in brackets"),
    (addresses.listen, "[127.0.0.1]:80", "an IPv6 address before a port must be in brackets"),
    (addresses.listen, "localhost:80", "'localhost' does not appear to be an IPv4 or IPv6 address"),
    (addresses.listen, ":80", "'' does not appear to be an IPv4 or IPv6 address"),
    (values.count, "0", A_COUNT),
    (values.count, "-3", A_COUNT),
    (values.count, "2.5", A_COUNT),
    (values.count, "two", A_COUNT),
    (values.count, "1000000", A_COUNT),
    (values.count, "٣", A_COUNT),
    (values.count, "9" * 100_000, A_COUNT),
    (values.count_or_auto, "many", f"{A_COUNT}, or auto"),
    (values.file_name, "../index.html", "it is not a file name of ASCII letters, digits, ., _ and -"),
    (values.file_name, ".env", "it is not a file name of ASCII letters, digits, ., _ and -"),
    (addresses.networks, "proxy.example", "'proxy.example' does not appear to be an IPv4 or IPv6 network"),
    (addresses.networks, "10.0.0.1/8", "10.0.0.1/8 has host bits set"),
    (addresses.networks, "fe80::1%eth0", "'fe80::1%eth0' has a zone, which is not allowed here"),
    (addresses.networks, "10.0.0.0/8;", "'10.0.0.0/8;' does not appear to be an IPv4 or IPv6 network"),
    (addresses.networks, "10.0.0.1\n", "it contains a control character"),
    *(
        (addresses.hosts, text, A_HOST)
        for text in (
            "~^www",
            "a;b",
            "a b;",
            "a..b",
            "*.a.*",
            ".a.*",
            "-a",
            "bücher.example",
            "a:80",
            "*",
            "x" * 64,
            "a." * 200,
            "{",
            '"a"',
            "$host",
        )
    ),
    *(
        (addresses.url_path, text, "a URL path must begin with /, and / alone would hide the application")
        for text in ("", "files/", "/", "//", "https://cdn/")
    ),
    *(
        (addresses.request_path, text, A_REQUEST_PATH)
        for text in ("", "on", "up", "http://a/", "/a b", "/a\r\nHost: b", "/ü", "/#a", "/" + "a" * 2001)
    ),
    *((addresses.url_path, text, A_URL_PATH) for text in ("/a?b", "/a#b", "/$a", "/a//b", "/../a", "/.a/")),
    (values.duration, "", A_DURATION),
    (values.duration_or_off, "never", f"it is neither off nor a duration: {A_DURATION}"),
    (values.duration, "-1s", A_DURATION),
    (values.duration, "30 s", A_DURATION),
    (values.duration, "30sec", A_DURATION),
    (values.duration, "1e3", A_DURATION),
    (values.duration, "nan", A_DURATION),
    (values.duration, "inf", A_DURATION),
    (values.duration, "٣s", A_DURATION),
    (values.duration, "9" * 400, "it is longer than a year"),
    (values.duration, "8785h", "it is longer than a year"),
    (values.size, "", A_SIZE),
    (values.size, "10mb", A_SIZE),
    (values.size, "1.5m", A_SIZE),
    (values.size, "-1", A_SIZE),
    (values.size, "9" * 100_000, A_SIZE),
    (values.path, "relative/path", "a path must begin with /"),
    (values.path, "~/app", "a path must begin with /"),
    (values.path, "/srv/\napp", "it contains a control character"),
    (values.email, "someone", "it is not an e-mail address"),
    (values.email, "a@b@c", "it is not an e-mail address"),
    (values.email, "some one@example.com", "it is not an e-mail address"),
    (values.email, "a@b\n", "it contains a control character"),
    (values.module, "config/settings", "it is not a dotted module name"),
    (values.module, "config.", "it is not a dotted module name"),
    (values.module, "config.settings\n", "it is not a dotted module name"),
    (values.module, "конфиг", "it is not a dotted module name"),
    (values.application, "app", "it is not of the form package.module:callable"),
    (values.application, "app/app.py:app", "it is not of the form package.module:callable"),
    (values.application, "app:app(debug=1)", "it is not of the form package.module:callable"),
    (values.account, "", "it is not a user name, a uid or uid:gid"),
    (values.account, "www data", "it is not a user name, a uid or uid:gid"),
    (values.account, "name:group", "it is not a user name, a uid or uid:gid"),
    (values.account, "-1", "it is not a user name, a uid or uid:gid"),
    (values.account, "4294967295", "it is not a user name, a uid or uid:gid"),
    (values.account, "1000:4294967295", "it is not a user name, a uid or uid:gid"),
    (values.secret, "", "it is empty or contains a NUL"),
    (values.secret, "before\0after", "it is empty or contains a NUL"),
    (values.secret, "caf\udce9", "it is not UTF-8 text"),
    (addresses.database_url, "sqlite:///db.sqlite3", A_DATABASE),
    (addresses.database_url, "postgres://db", A_DATABASE),
    (addresses.database_url, "postgres://name@db/site\n", A_DATABASE),
    (addresses.database_url, "postgres://db:port/site", "its host or port is invalid"),
    (addresses.database_url, "postgres://name@:5432/site", "it has no host"),
    (values.yes_or_no, "true", "it is not yes or no"),
    (one_of, "AUTO", "it is not one of auto, off"),
    (one_of, "yes", "it is not one of auto, off"),
    (values.names, "A-B", "'A-B' is not a variable name"),
    (values.names, "A 1B", "'1B' is not a variable name"),
]


def named(case: tuple[Type[Any], str, Any]) -> str:
    return f"{case[0].name} {case[1][:20]!a}"


@pytest.mark.parametrize("case", TAKEN, ids=named)
def test_a_type_takes(case: tuple[Type[Any], str, Any]) -> None:
    parse, text, wanted = case
    assert parse(text) == (text if wanted is None else wanted)


@pytest.mark.parametrize("case", REFUSED, ids=named)
def test_a_type_refuses(case: tuple[Type[Any], str, str]) -> None:
    parse, text, why = case
    with pytest.raises(ValueError) as caught:  # noqa: PT011 -- the message is compared below
        parse(text)
    assert str(caught.value).startswith(why)


@pytest.mark.parametrize(
    ("listen", "shown", "host"),
    [
        (Listen(80), "80", "127.0.0.1"),
        (Listen(80, "10.0.0.1"), "10.0.0.1:80", "10.0.0.1"),
        (Listen(80, "[::1]"), "[::1]:80", "::1"),
    ],
    ids=str,
)
def test_an_address_to_listen_on_is_shown_as_set_and_reached_by_its_host(listen: Listen, shown: str, host: str) -> None:
    assert (str(listen), listen.host) == (shown, host)


@pytest.mark.parametrize("case", TAKEN, ids=named)
def test_the_schema_of_a_type_accepts_what_the_type_accepts(case: tuple[Type[Any], str, Any]) -> None:
    assert Draft202012Validator({"type": "string", **case[0].schema}).is_valid(case[1])


@pytest.mark.parametrize(
    ("kind", "example"),
    [
        (kind, example)
        for kind in (vars(values) | vars(addresses)).values()
        if isinstance(kind, Type)
        for example in kind.schema.get("examples", [])
    ],
    ids=lambda value: value.name if isinstance(value, Type) else str(value),
)
def test_the_examples_of_a_type_are_accepted(kind: Type[Any], example: str) -> None:
    kind(example)
    assert Draft202012Validator({"type": "string", **kind.schema}).is_valid(example)


@pytest.mark.parametrize(
    "case",
    [
        (values.text, "two\nlines"),
        (addresses.listen, "port"),
        (values.count, "0"),
        (values.duration, "soon"),
        (values.size, "10mb"),
        (values.path, "relative"),
        (values.email, "someone"),
        (values.module, "config/settings"),
        (values.application, "app"),
        (values.account, "www data"),
        (values.names, "A-B"),
        (one_of, "yes"),
    ],
    ids=named,
)
def test_the_schema_of_a_type_refuses_plain_mistakes(case: tuple[Type[Any], str]) -> None:
    assert not Draft202012Validator({"type": "string", **case[0].schema}).is_valid(case[1])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain", "plain"),
        ("ünï", "ünï"),
        ("a\nb", "a\\nb"),
        ("\udcff", "\\udcff"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 59 + "…"),
    ],
    ids=ascii,
)
def test_a_text_is_shown_printable_and_not_endless(text: str, wanted: str) -> None:
    assert shown(text) == wanted
