"""A proxy in another container: its headers about the client reach the application, those of others do not.

Proxy and site share an inner network. The client is outside of it, and can reach both.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from deadline import until
from docker_engine import Container, Engine, docker

PROXY = """
daemon off; error_log stderr; pid /tmp/pid; events {{}}
http {{
    access_log off;
    server {{
        listen 80;
        location / {{
            proxy_pass http://{site};
            proxy_set_header Host inner.example;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto https;
            proxy_set_header X-Forwarded-Host $http_host;
        }}
    }}
}}
"""
CLAIMS = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
CLIENT = """
import http.client, json, sys
address, headers = sys.argv[1], json.loads(sys.argv[2])
connection = http.client.HTTPConnection(address, timeout=120)
connection.request("GET", "/request/", headers={"Host": "site.example", **headers})
print(json.dumps([connection.sock.getsockname()[0], json.loads(connection.getresponse().read())]))
"""


def ask(client: Container, address: str, headers: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """Return the client's own address, and what the application saw of its request."""
    done = client.exec("python", "-c", CLIENT, address, json.dumps(headers))
    assert done.returncode == 0, done.stderr
    own, seen = json.loads(done.stdout)
    return own, seen


def told(seen: dict[str, Any]) -> tuple[str, str, str]:
    return seen["address"], seen["scheme"], seen["host"]


@pytest.mark.thorough  # tests/system/test_proxy.py shows it without a container
def test_the_application_believes_the_proxy_and_nobody_else(
    engine: Engine, image: str, base: str, tmp_path: Path
) -> None:
    (inner, _), (outer, _) = engine.network(), engine.network()
    subnet = docker("network", "inspect", inner, "-f", "{{(index .IPAM.Config 0).Subnet}}").stdout.strip()
    settings = {
        "SECRET_KEY": "of-the-tests-alone-and-no-one-else",
        "ALLOWED_HOSTS": "*",
        "FORWARDED_ALLOW_IPS": subnet,
    }
    site = engine.run(image, settings, options=("--network", inner)).ready().connect(outer)
    (tmp_path / "nginx.conf").write_text(PROXY.format(site=site.address(inner)))
    tmp_path.chmod(0o755)
    mounted = ("-v", f"{tmp_path}/nginx.conf:/etc/nginx/nginx.conf:ro", "--entrypoint", "nginx")
    proxy = engine.run(base, {}, options=("--network", inner, *mounted)).connect(outer)
    until(lambda: proxy.status("/request/") == 200, "the proxy")
    client = engine.run(base, {}, options=("--network", outer, "--entrypoint", "cat", "-i"))

    own, seen = ask(client, proxy.address(outer), {})
    assert told(seen) == (own, "https", "site.example")
    own, seen = ask(client, proxy.address(outer), CLAIMS)
    assert told(seen) == (own, "https", "site.example")
    own, seen = ask(client, site.address(outer), CLAIMS)
    assert told(seen) == (own, "http", "site.example")
