"""Static files that were compressed ahead, served by nginx as they are."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import requests

if TYPE_CHECKING:
    from site_under_test import NewSite


def test_nginx_serves_what_was_compressed_ahead(new_site: NewSite) -> None:
    site = new_site()
    assert site.command("prepare", "--only", "collectstatic").returncode == 0
    root = site.folder / "static"
    name = json.loads((root / "staticfiles.json").read_text(encoding="utf-8"))["paths"]["pages/style.css"]
    packed = (root / f"{name}.gz").read_bytes()
    site.start().ready()
    assert "static files are up to date" in site.output

    def get(encoding: str) -> requests.Response:
        return requests.get(f"{site.url}/static/{name}", headers={"Accept-Encoding": encoding}, timeout=10, stream=True)

    with get("gzip") as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert answer.headers["Content-Type"] == "text/css"
        assert answer.raw.read(decode_content=False) == packed
    with get("identity") as answer:
        assert "Content-Encoding" not in answer.headers
        assert answer.content == gzip.decompress(packed) == (root / name).read_bytes()
    # Names of our own are nobody's to read.
    assert site.status("/static/.collected.json") == 404
    assert site.stop()[0] == 0
