"""nginx as the settings shape it, asked by a client."""

import socket

import pytest
import requests
from site_under_test import NewSite


def test_only_the_hosts_that_are_named_are_served(new_site: NewSite) -> None:
    long = ".".join(["x" * 60] * 4)
    names = f"127.0.0.1 *.example.com {long}.net"
    site = new_site(NGINX_SERVER_NAME=names, ALLOWED_HOSTS="*").start().ready()

    def status(host: str, path: str = "/request/") -> int:
        return requests.get(site.url + path, headers={"Host": host}, timeout=10).status_code

    assert {host: status(host) for host in ("127.0.0.1", "www.example.com:1", "WWW.Example.COM", f"{long}.net")} == {
        "127.0.0.1": 200,
        "www.example.com:1": 200,
        "WWW.Example.COM": 200,
        f"{long}.net": 200,
    }
    assert [status(host) for host in ("example.com", "evil.example", f"{long}.org")] == [421, 421, 421]
    assert status("evil.example", "/-/ready") == 200
    assert site.command("health").returncode == 0
    assert "[warn]" not in site.output
    assert site.stop()[0] == 0


def test_a_site_is_served_on_ipv6(new_site: NewSite) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            port = probe.getsockname()[1]
    except OSError:
        pytest.skip("there is no IPv6 here")
    site = new_site(PORT=f"[::1]:{port}")
    site.url = f"http://[::1]:{port}"
    site.start().ready()
    seen = requests.get(f"{site.url}/request/", timeout=10).json()
    assert (seen["address"], seen["host"]) == ("::1", f"[::1]:{port}")
    assert site.command("health").returncode == 0
    assert site.stop()[0] == 0
