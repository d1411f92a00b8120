"""Several sites by host name in one container: `sites.NAME` in the project's file."""

import sys
from pathlib import Path

import psutil
import pytest
import requests
from deadline import PATIENCE, until
from served_site import write_served_site
from site_under_test import NewSite, Site

SHOP = "shop.example.com"
SETTINGS = f"""
from served.settings import *
ALLOWED_HOSTS = ["{SHOP}"]
STATIC_URL = "/assets/"
"""
TOML = """
[programs.shop]
command = ["{python}", "-m", "gunicorn", "--no-control-socket", "--bind", "127.0.0.1:{port}", "served.wsgi"]
environment = {{ DJANGO_SETTINGS_MODULE = "shop_settings", PORT = "{port}" }}

[sites.shop]
hosts = ["{host}"]
application = "shop"
static = "/assets/ {folder}"
"""


@pytest.fixture
def sites(new_site: NewSite, tmp_path: Path, free_port: int) -> Site:
    project = write_served_site(tmp_path / "project")
    (project / "shop_settings.py").write_text(SETTINGS)
    folder = tmp_path / "assets of the shop"
    folder.mkdir()
    (folder / "shop.css").write_text("p { color: red }\n")
    (folder / ".env").write_text("SECRET=1\n")
    text = TOML.format(python=sys.executable, port=free_port, host=SHOP, folder=folder)
    (project / "entrypoint.toml").write_text(text)
    site = new_site(
        project,
        NGINX_SERVER_NAME="127.0.0.1,www.example.com",
        NGINX_CANONICAL_HOST="127.0.0.1",
        FORWARDED_ALLOW_IPS="127.0.0.1",
        NGINX_HTTPS_REDIRECT="on",
        WEB_CONCURRENCY="1",
    )
    return site.start().ready()


def get(site: Site, host: str, path: str = "/", **headers: str) -> requests.Response:
    return requests.get(site.url + path, headers={"Host": host, **headers}, timeout=PATIENCE, allow_redirects=False)


def test_each_host_has_its_application_and_its_files(sites: Site) -> None:
    main, shop = get(sites, "127.0.0.1").json(), get(sites, f"{SHOP}:8080", **{"X-Forwarded-For": "192.0.2.1"}).json()
    assert main["host"] == "127.0.0.1"
    assert shop == {**shop, "host": f"{SHOP}:8080", "x_forwarded_for": "192.0.2.1"}
    assert main["pid"] != shop["pid"]
    assert get(sites, SHOP, "/assets/shop.css").text == "p { color: red }\n"
    assert get(sites, "127.0.0.1", "/static/style.css").text == "p { color: black }\n"
    paths = (SHOP, "/assets/.env"), (SHOP, "/static/style.css"), ("127.0.0.1", "/assets/shop.css"), (SHOP, "/.env")
    assert [get(sites, *each).status_code for each in paths] == [404, 200, 404, 404]  # the second: by the application
    assert [get(sites, host).status_code for host in ("other.example.com", "shop.example.com.evil.test")] == [421] * 2
    assert get(sites, SHOP, "/-/ready").status_code == 200
    static = f"{SHOP} by shop, and /assets/ from {sites.folder}/assets of the shop"
    assert f"sites.shop (entrypoint.toml)\n    {static}\n" in sites.command("env").stdout
    assert [step for step in sites.steps if f"serve {static} on 127.0.0.1:" in step]
    # The main site's canonical host is not the shop's; a redirect to HTTPS keeps the host.
    assert get(sites, "www.example.com", "/a").headers["Location"] == "http://127.0.0.1/a"
    assert get(sites, SHOP, "/a", **{"X-Forwarded-Proto": "http"}).headers["Location"] == f"https://{SHOP}/a"
    assert get(sites, SHOP, **{"X-Forwarded-Host": "127.0.0.1"}).status_code == 421
    # If one site is down, the other one still serves.
    shop_program = psutil.Process(shop["pid"]).parent()
    assert shop_program
    for each in (shop_program, *shop_program.children()):
        each.kill()
    until(lambda: get(sites, SHOP).status_code in (502, 503), "the end of the shop", instead=lambda: sites.output)
    assert get(sites, "127.0.0.1").json()["pid"] == main["pid"]
    until(lambda: get(sites, SHOP).status_code == 200, "the shop's restart", instead=lambda: sites.output)
    assert sites.stop()[0] == 0
