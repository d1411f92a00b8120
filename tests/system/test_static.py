"""Static files as nginx serves them: compressed ahead, and kept by browsers as long as their names allow."""

import gzip
import json
from collections.abc import Iterator

import pytest
import requests
from deadline import PATIENCE, until
from site_under_test import EXAMPLE, NewSite, Site


@pytest.mark.thorough  # test_compression.py compresses ahead as well
def test_nginx_serves_what_was_compressed_ahead(new_site: NewSite) -> None:
    site = new_site()
    assert site.command("prepare", "--only", "collectstatic").returncode == 0
    root = site.folder / "static"
    name = json.loads((root / "staticfiles.json").read_text(encoding="utf-8"))["paths"]["pages/style.css"]
    packed = (root / f"{name}.gz").read_bytes()
    site.start().ready()
    assert "static files up to date" in site.output

    def get(encoding: str) -> requests.Response:
        return requests.get(
            f"{site.url}/static/{name}", headers={"Accept-Encoding": encoding}, timeout=PATIENCE, stream=True
        )

    for suffix, encoding, asked in ((".gz", "gzip", "gzip, deflate"), (".br", "br", "gzip, deflate, br")):
        with get(asked) as answer:
            assert answer.headers["Content-Encoding"] == encoding
            assert answer.headers["Vary"] == "Accept-Encoding"
            assert answer.headers["Content-Type"] == "text/css"
            assert answer.raw.read(decode_content=False) == (root / f"{name}{suffix}").read_bytes()
    with get("identity") as answer:
        assert "Content-Encoding" not in answer.headers
        assert answer.content == gzip.decompress(packed) == (root / name).read_bytes()
    # Nobody may read files with our own names.
    assert site.status("/static/.collected.lock") == 404
    assert site.stop()[0] == 0


FOREVER = "public, max-age=31536000, immutable"
NAMES = {
    "base.96c479cedf7a.css": FOREVER,
    "main.3f2a9c8b.chunk.js": FOREVER,
    "main.3f2a9c8b7d6e5f4a3b2c.js.map": FOREVER,
    "assets/index-BfibRE9H.js": FOREVER,
    "assets/index-Bf_bR-9H.css": FOREVER,
    "base.css": "no-cache",
    "jquery.min.js": "no-cache",
    "report.20240101.pdf": "no-cache",
    "report.202401011200.pdf": "no-cache",
    "sweet.deadbeef.js": "no-cache",
    "base.96c479c.css": "no-cache",
    "base.96c479cedf7g.css": "no-cache",
    "96c479cedf7a/base.css": "no-cache",
    "assets/my-calendar.js": "no-cache",
    "assets/Logo-Portrait.png": "no-cache",
    "assets/photo-IMG_0042.jpg": "no-cache",
    "index-BfibRE9H.js": "no-cache",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with these among its static files, and one upload."""
    folder = tmp_path_factory.mktemp("names")
    for name in (*(f"static/{name}" for name in NAMES), "media/base.96c479cedf7a.css"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("old")
    own = {"NGINX_STATIC_ROOT": str(folder / "static"), "NGINX_MEDIA_ROOT": str(folder / "media")}
    with Site(folder, EXAMPLE, **own) as site:
        yield site.start().ready()


def test_only_what_has_a_hash_in_its_name_is_kept_for_a_year(files: Site) -> None:
    def lifetime(name: str) -> str | None:
        answer = requests.get(f"{files.url}/static/{name}", timeout=PATIENCE)
        assert answer.status_code == 200
        return answer.headers.get("Cache-Control")

    assert {name: lifetime(name) for name in NAMES} == NAMES


def test_missing_files_and_uploads_are_not_cached(files: Site) -> None:
    for path, status in (("/static/none.96c479cedf7a.css", 404), ("/media/base.96c479cedf7a.css", 200)):
        answer = requests.get(files.url + path, timeout=PATIENCE)
        assert (answer.status_code, answer.headers.get("Cache-Control")) == (status, None)


def test_browsers_revalidate_a_file_and_get_it_only_if_it_changed(files: Site) -> None:
    url = f"{files.url}/static/base.css"
    tag = requests.get(url, timeout=PATIENCE).headers["ETag"]
    again = requests.get(url, headers={"If-None-Match": tag}, timeout=PATIENCE)
    assert (again.status_code, again.headers["Cache-Control"]) == (304, "no-cache")


def test_a_replaced_file_is_served_in_its_new_version(files: Site) -> None:
    url, path = f"{files.url}/static/jquery.min.js", files.folder / "static" / "jquery.min.js"
    assert requests.get(url, timeout=PATIENCE).text == "old"
    beside = path.with_suffix(".new")
    beside.write_text("replaced")
    beside.rename(path)
    until(lambda: requests.get(url, timeout=PATIENCE).text == "replaced", "the new file")


def test_an_upload_that_is_deleted_is_gone_at_once(files: Site) -> None:
    path = files.folder / "media" / "deleted.txt"
    path.write_text("soon gone")
    url = f"{files.url}/media/{path.name}"
    assert requests.get(url, timeout=PATIENCE).text == "soon gone"
    path.unlink()
    assert requests.get(url, timeout=PATIENCE).status_code == 404
