"""Settings of TLS: what follows from them, and the message for each contradiction."""

import re

import pytest

from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.settings.types import addresses
from entrypoint.errors import Unusable

FILES = {"NGINX_TLS_CERTIFICATE": "/c", "NGINX_TLS_KEY": "/k"}
ACME = {"NGINX_TLS_DOMAIN": "a.example", "NGINX_TLS_EMAIL": "o@a.example", "ENTRYPOINT_DATA_DIR": "/data"}
NO_FOLDER = (
    "cannot use NGINX_TLS_DOMAIN: the certificate is kept in ENTRYPOINT_DATA_DIR, which is not set; "
    "set it to a volume, such as docker run -v my-site:/data -e ENTRYPOINT_DATA_DIR=/data"
)


@pytest.mark.parametrize(
    ("environ", "source"),
    [
        ({}, "off"),
        (FILES, "files"),
        (ACME, "acme"),
        ({"NGINX_TLS": "self-signed"}, "self-signed"),
        ({"NGINX_TLS": "self-signed", "NGINX_TLS_DOMAIN": "a.example"}, "self-signed"),
        ({**FILES, "NGINX_TLS": "off"}, "off"),
        ({**FILES, **ACME, "NGINX_TLS": "off"}, "off"),
    ],
)
def test_the_source_of_the_certificate_follows_from_what_is_given(environ: dict[str, str], source: str) -> None:
    settings = Settings.read(environ)
    assert (settings.tls_source, settings.tls, settings.acme) == (source, source != "off", source == "acme")
    assert settings.listen_on(root=True).port == (80 if source == "off" else 443)


@pytest.mark.parametrize(
    ("environ", "problems"),
    [
        ({"NGINX_TLS": "acme"}, ["cannot use NGINX_TLS=acme: NGINX_TLS_DOMAIN is not set"]),
        ({"NGINX_TLS": "files"}, ["cannot use NGINX_TLS=files: NGINX_TLS_CERTIFICATE and NGINX_TLS_KEY are not set"]),
        ({"NGINX_TLS_DOMAIN": "a.example", "NGINX_TLS_EMAIL": "o@a.example"}, [NO_FOLDER]),
        (
            {"NGINX_TLS_DOMAIN": "a.example", "ENTRYPOINT_DATA_DIR": "/data"},
            [
                "cannot use NGINX_TLS_DOMAIN: the account at the authority needs an address; set NGINX_TLS_EMAIL",
            ],
        ),
        (
            {**ACME, **FILES},
            [
                (
                    "cannot use NGINX_TLS_CERTIFICATE with NGINX_TLS_DOMAIN: they name different certificates; "
                    "unset one of them"
                )
            ],
        ),
        (
            {**FILES, "NGINX_TLS": "self-signed"},
            [
                (
                    "cannot use NGINX_TLS_CERTIFICATE with NGINX_TLS=self-signed: they name different certificates; "
                    "unset one of them"
                )
            ],
        ),
        (
            {**ACME, "PORT": "8443"},
            [
                (
                    "cannot use NGINX_TLS_DOMAIN with PORT=8443: the authority connects to port 80, "
                    "and PORT would be the only port; unset PORT, and publish 80 and 443"
                )
            ],
        ),
        (
            {"NGINX_TLS": "self-signed", "NGINX_HSTS": "on"},
            [
                (
                    "cannot use NGINX_HSTS with NGINX_TLS=self-signed: "
                    "browsers would refuse localhost until its certificate is valid; unset NGINX_HSTS"
                )
            ],
        ),
        (
            {"NGINX_TLS": "self-signed", "ENTRYPOINT_NGINX": "off"},
            ["cannot use NGINX_TLS=self-signed without nginx: set ENTRYPOINT_NGINX=on"],
        ),
        (
            {**ACME, "DJANGO_ENV": "development"},
            ["cannot use NGINX_TLS_DOMAIN without nginx: set ENTRYPOINT_NGINX=on"],
        ),
    ],
)
def test_a_contradiction_is_refused(environ: dict[str, str], problems: list[str]) -> None:
    with pytest.raises(Unusable) as caught:
        Settings.read(environ)
    assert [line for line in caught.value.problems if "DATA_DIR" not in line or line in problems][: len(problems)] == (
        problems
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("*.a.example", "'*.a.example' is a wildcard, which the authority cannot check over HTTP; "),
        ("192.0.2.1", "'192.0.2.1' is an IP address; name hosts such as shop.example.com"),
        ("2001:db8::1", "'2001:db8::1' is an IP address"),
        ("[::1]", "'[::1]' is an IP address"),
        ("a_b.example", "a host name has the form shop.example.com, in ASCII"),
        ("shop.example.com:443", "a host name has the form"),
        ("https://shop.example.com", "a host name has the form"),
        ("-a.example", "a host name has the form"),
        ("ä.example", "a host name has the form"),
        ("a" * 64 + ".example", "a host name has the form"),
        (",".join(f"a{n}.example" for n in range(101)), "one certificate has at most 100 names"),
    ],
)
def test_an_invalid_domain_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        addresses.domains(text)


def test_domains_are_read_once_each_in_lower_case() -> None:
    assert addresses.domains("Shop.example.com, www.shop.example.com shop.example.com") == (
        "shop.example.com",
        "www.shop.example.com",
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "max-age=31536000"),
        ("off", None),
        ("max-age=1; includeSubDomains; preload", "max-age=1; includeSubDomains; preload"),
    ],
)
def test_hsts_is_a_word_or_a_value(text: str, value: str | None) -> None:
    assert addresses.hsts(text) == value


@pytest.mark.parametrize("text", ["", "yes", "max-age=x", 'max-age=1"; evil', "max-age=1\n"])
def test_another_hsts_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="it is none of on, off"):
        addresses.hsts(text)


@pytest.mark.parametrize("text", ["http://a.example/dir", "acme.example", "https://", "https://a.example/ x"])
def test_a_directory_is_an_https_url(text: str) -> None:
    with pytest.raises(ValueError, match="begins with https://"):
        addresses.https_url(text)
