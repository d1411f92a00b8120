"""Private files, sent by nginx where a view allows it: the page of the docs, with the real django-sendfile2."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from deadline import PATIENCE
from printed import ROOT, blocks
from site_under_test import Site, copy_example

SETTINGS, VIEW = (block.text for block in blocks("python", page=ROOT / "docs/how-to/private-files.md"))
URLS = """
from django.http import HttpResponse
from django.urls import path
from config.urls import urlpatterns

{view}

def redirected(request):
    response = HttpResponse("of the application", content_type=request.GET.get("type", "text/plain"))
    response["X-Accel-Redirect"] = request.GET["to"]
    if "lifetime" in request.GET:
        response["Cache-Control"] = request.GET["lifetime"]
    return response

urlpatterns += [path("invoices/<path:name>", invoice), path("redirected/", redirected)]
"""
NAMES = ("2026-01.pdf", "with spaces.txt", "über größe €.txt", "100% sure?.txt", "deep/er/a.txt")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, prepared: Callable[[Path], Path]) -> Iterator[Site]:
    """A site with private files and one upload; its superuser may read them."""
    folder = prepared(tmp_path_factory.mktemp("private"))
    project = copy_example(folder / "project")
    (project / "private_settings.py").write_text(
        "from config.settings import *\n"
        'PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]\n'
        f'ROOT_URLCONF = "private_urls"\n{SETTINGS}'
    )
    (project / "private_urls.py").write_text(URLS.format(view=VIEW))
    for name in NAMES:
        path = project / "private" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")
    media = folder / "data" / "media"
    media.mkdir(parents=True, exist_ok=True)
    (media / "upload.txt").write_text("uploaded")
    settings = {
        "DJANGO_SETTINGS_MODULE": "private_settings",
        "NGINX_PRIVATE_ROOT": str(project / "private"),
        "NGINX_CACHE": "1m",  # it must not store them
        "SUPERUSER_USERNAME": "admin",
        "SUPERUSER_PASSWORD": "correct-horse",
    }
    with Site(folder, project, **settings) as running:
        yield running.start().ready()
        assert running.stop()[0] == 0, running.output


@pytest.fixture(scope="module")
def admin(site: Site) -> Iterator[requests.Session]:
    """Someone who may read the files."""
    with requests.Session() as session:
        page = session.get(f"{site.url}/admin/login/", timeout=PATIENCE).text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token
        form = {"username": "admin", "password": "correct-horse", "csrfmiddlewaretoken": token[1]}
        assert (
            session.post(f"{site.url}/admin/login/?next=/admin/", data=form, timeout=PATIENCE).url
            == f"{site.url}/admin/"
        )
        yield session


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_sent_to_visitors_that_the_view_allows(site: Site, admin: requests.Session, name: str) -> None:
    where = f"{site.url}/invoices/{quote(name)}"
    answer = admin.get(where, timeout=PATIENCE)
    assert (answer.status_code, answer.content.decode()) == (200, f"content of {name}")
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["Content-Type"].startswith("application/pdf" if name.endswith(".pdf") else "text/plain")
    assert ("sandbox" in answer.headers.get("Content-Security-Policy", "")) is name.endswith(".txt")
    stranger = requests.get(where, timeout=PATIENCE, allow_redirects=False)
    assert (stranger.status_code, stranger.headers["Location"].startswith("/accounts/login/")) == (302, True)


def test_ranges_and_conditional_requests_work(site: Site, admin: requests.Session) -> None:
    where = f"{site.url}/invoices/2026-01.pdf"
    tag = admin.get(where, timeout=PATIENCE).headers["ETag"]
    part = admin.get(where, headers={"Range": "bytes=8-9"}, timeout=PATIENCE)
    assert (part.status_code, part.text, part.headers["Content-Range"]) == (206, "of", "bytes 8-9/22")
    assert admin.get(where, headers={"If-None-Match": tag}, timeout=PATIENCE).status_code == 304
    assert admin.get(where, headers={"Range": "bytes=99-"}, timeout=PATIENCE).status_code == 416
    head = admin.head(where, timeout=PATIENCE)
    assert (head.status_code, head.headers["Content-Length"]) == (200, "22")


@pytest.mark.parametrize("path", ["/-/private/2026-01.pdf", "/-/private/", "/-/private/../private/2026-01.pdf"])
def test_a_client_does_not_reach_the_folder_itself(site: Site, path: str) -> None:
    prepared = requests.Request("GET", site.url).prepare()
    prepared.url = site.url + path
    with requests.Session() as session:
        assert session.send(prepared, timeout=PATIENCE).status_code == 404


@pytest.mark.parametrize(
    "name", ["../manage.py", "../../project/manage.py", "%2e%2e/manage.py", "deep/../../manage.py"]
)
def test_no_name_leads_out_of_the_folder(site: Site, admin: requests.Session, name: str) -> None:
    prepared = admin.prepare_request(requests.Request("GET", site.url))
    prepared.url = f"{site.url}/invoices/{name.replace('/', '%2F')}"
    assert admin.send(prepared, timeout=PATIENCE).status_code in {400, 404}  # uWSGI or the package
    answer = requests.get(f"{site.url}/redirected/", params={"to": f"/-/private/{name}"}, timeout=PATIENCE)
    assert answer.status_code == 404  # nginx
    assert "environ" not in answer.text


def test_the_applications_own_words_on_caches_are_kept(site: Site) -> None:
    asked = {"to": "/-/private/2026-01.pdf", "type": "application/pdf", "lifetime": "public, max-age=60"}
    for _ in range(2):
        answer = requests.get(f"{site.url}/redirected/", params=asked, timeout=PATIENCE)
        assert (answer.text, answer.headers["Cache-Control"]) == ("content of 2026-01.pdf", "public, max-age=60")
        assert "X-Cache" not in answer.headers


def test_an_upload_is_sent_as_well(site: Site) -> None:
    assert (
        requests.get(f"{site.url}/redirected/", params={"to": "/media/upload.txt"}, timeout=PATIENCE).text == "uploaded"
    )


@pytest.mark.parametrize(
    ("root", "line"),
    [
        ("data/media/invoices", "cannot use NGINX_PRIVATE_ROOT={root}: everyone can read MEDIA_ROOT={media}; use a "),
        ("data/media", "cannot use NGINX_PRIVATE_ROOT={root}: everyone can read MEDIA_ROOT={media}; use a "),
        ("project", "cannot serve NGINX_PRIVATE_ROOT={root}: it contains ENTRYPOINT_APP_DIR={root}; use a separate "),
    ],
)
def test_a_folder_that_is_not_private_is_refused(site: Site, root: str, line: str) -> None:
    path = site.folder / root
    other = Site(site.folder, site.project, **{**site.environment, "NGINX_PRIVATE_ROOT": str(path)})
    with other:
        done = other.command("--dry-run")
    assert done.returncode == 78
    assert line.format(root=path, media=Path(site.folder, "data/media")) in done.stderr
