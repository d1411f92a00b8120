"""A site whose application runs but cannot answer."""

from pathlib import Path

import requests
from deadline import PATIENCE, until
from site_under_test import NewSite


def test_a_site_with_a_broken_urlconf_is_not_ready_and_says_why(prepared_site: NewSite, project: Path) -> None:
    urls = project / "config" / "urls.py"
    works = urls.read_text()
    urls.write_text("import nowhere\n")
    site = prepared_site(project).start()
    why = "uwsgi: GET /: closed the connection without a response"
    until(lambda: why in site.output.replace(" is not ready", ""), "the reason", instead=lambda: site.output)
    ready = requests.get(f"{site.url}/-/ready", timeout=PATIENCE)
    assert (ready.status_code, ready.json()["phase"], ready.json()["why"]) == (503, "starting application", why)
    health = site.command("health")
    assert (health.returncode, health.stderr) == (1, f"not ready: {why}\n")
    until(lambda: "ModuleNotFoundError: No module named 'nowhere'" in site.output, "uWSGI's own lines")
    # The site is not starting: its server runs. So visitors see an error, and no page that reloads for ever.
    page = requests.get(site.url, headers={"Accept": "text/html"}, timeout=PATIENCE)
    assert page.status_code == 502
    assert "This page could not be shown" in page.text
    urls.write_text(works)
    site.ready()
    assert site.status("/") == 200
    assert site.command("health").returncode == 0
    # Nothing will start it again.
    assert site.command("ctl", "stop", "uwsgi").returncode == 0
    down = requests.get(site.url, headers={"Accept": "text/html"}, timeout=PATIENCE)
    assert down.status_code == 502
    assert "Error 502: the application accepts no connection." in down.text
    assert site.command("health").stderr == "not ready: stopped uwsgi\n"
    assert site.command("ctl", "start", "uwsgi").returncode == 0
    site.ready()
    assert site.status("/") == 200
    assert site.stop()[0] == 0
