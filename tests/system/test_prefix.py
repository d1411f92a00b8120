"""A site below a path of its host, under each application server: NGINX_PREFIX."""

from pathlib import Path
from typing import Any

import pytest
import requests
from deadline import PATIENCE, until
from rows import thorough
from served_site import write_served_site
from site_under_test import NewSite, Site

VIEWS = """

from django.http import JsonResponse
from django.templatetags.static import static
from django.urls import reverse


def where(request, rest):
    return JsonResponse({
        "prefix": request.META.get("SCRIPT_NAME", request.scope["root_path"] if hasattr(request, "scope") else None),
        "path": request.path, "path_info": request.path_info, "query": request.META["QUERY_STRING"], "rest": rest,
        "link": reverse(where, args=["x"]), "static": static("style.css"),
    })


urlpatterns += [path("where/<path:rest>", where, name="where")]
"""
SERVERS = [
    *(("uwsgi", "wsgi"), ("uvicorn", "asgi")),
    *thorough(("gunicorn", "wsgi"), ("uvicorn", "wsgi"), ("granian", "wsgi"), ("granian", "asgi")),
]


def get(site: Site, path: str) -> requests.Response:
    return requests.get(site.url + path, timeout=PATIENCE, allow_redirects=False)


@pytest.mark.parametrize(("server", "interface"), SERVERS)
def test_the_application_knows_its_prefix(new_site: NewSite, tmp_path: Path, server: str, interface: str) -> None:
    project = write_served_site(tmp_path / "project")
    with (project / "served" / "urls.py").open("a") as opened:
        opened.write(VIEWS)
    with (project / "served" / "settings.py").open("a") as opened:
        opened.write('\nSTATIC_URL = "static/"\n')
    site = new_site(
        project,
        ENTRYPOINT_SERVER=server,
        ENTRYPOINT_APP=f"served.{interface}:application",
        ENTRYPOINT_READY_PATH="/where/ready",
        NGINX_PREFIX="/shop/",
        NGINX_CLIENT_MAX_BODY_SIZE="1k, /shop/upload/ 4k",
        WEB_CONCURRENCY="1",
    )
    site.start().ready()
    seen: dict[str, Any] = get(site, "/shop/where/a%20b/%C3%A9?c=%20d").json()
    assert seen == {
        "prefix": "/shop",
        "path": "/shop/where/a b/é",
        "path_info": "/where/a b/é",
        "query": "c=%20d",
        "rest": "a b/é",
        "link": "/shop/where/x",
        "static": "/shop/static/style.css",
    }
    assert get(site, "/shop/").json()["host"] == f"127.0.0.1:{site.port}"
    assert [get(site, path).status_code for path in ("/shop/static/style.css", "/static/style.css")] == [200, 200]
    outside = ("/where/x", "/shopping/where/x", "/shop/.env", "/.env", "/shop/shop/where/x")
    assert [get(site, path).status_code for path in outside] == [404] * len(outside)
    assert {path: get(site, path).headers["Location"] for path in ("/", "/shop", "/shop?a=b")} == {
        "/": "/shop/",
        "/shop": "/shop/",
        "/shop?a=b": "/shop/?a=b",
    }
    posted = [
        requests.post(f"{site.url}/shop/upload/", data=b"x" * length, timeout=PATIENCE) for length in (4096, 4097)
    ]
    assert [answer.status_code for answer in posted] == [200, 413]
    assert get(site, "/-/ready").status_code == 200
    address = f": http://127.0.0.1:{site.port}/shop/\n"
    until(lambda: address in site.output, address, instead=lambda: site.output)
    assert site.stop()[0] == 0
