"""`entrypoint boot` beside a site that runs."""

import json
import re
from xml.etree import ElementTree as ET

import pytest
import requests
from deadline import PATIENCE, until
from metrics_text import value
from site_under_test import NewSite


def test_the_last_boot_is_shown_and_stays_as_it_was(new_site: NewSite) -> None:
    site = new_site().start().ready()
    done = site.command("boot", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    boot = json.loads(done.stdout)
    times = [step["at"] for step in boot["steps"]]
    assert times == sorted(times)
    assert times[0] == 0
    lines = [step["line"] for step in boot["steps"]]
    assert lines[:2] == ["start Python", "import entrypoint, read the settings and the machine"]
    loads = ["load the application's settings", "load the application's apps"]
    assert [line for line in lines if line in loads] == loads
    assert [line for line in lines[2:] if line not in loads] == site.steps
    assert boot["steps"][-1]["at"] < boot["ready"]
    assert abs(sum(step["seconds"] for step in boot["steps"]) - boot["ready"]) < 0.01

    metrics = requests.get(f"{site.url}/-/metrics", timeout=PATIENCE).text
    assert value(metrics, "entrypoint_migrations_applied") > 5

    table = site.command("boot").stdout.splitlines()
    assert len(table) == len(boot["steps"]) + 2
    assert table[-1].split() == [f"{boot['ready']:.3f}", "ready"]
    picture = ET.fromstring(site.command("boot", "--format", "svg").stdout)
    titles = [title.text or "" for title in picture.iter("{http://www.w3.org/2000/svg}title")][1:]
    assert "\n".join(titles).split("\n") == [step["line"] for step in boot["steps"]]
    assert len(titles) < len(boot["steps"])  # short steps share a bar

    # A program that is lost and comes back makes the site ready anew, and not the boot longer.
    (uwsgi,) = site.programs("uwsgi")
    uwsgi.kill()
    until(lambda: uwsgi not in site.programs("uwsgi") and site.programs("uwsgi"), "its successor")
    until(lambda: "ready again after" in site.output, "the site to be ready again")
    (logged,) = re.findall(r"ready after ([0-9.]+) s", site.output)
    assert float(logged) == pytest.approx(boot["ready"], abs=0.1)  # one boot, one number
    assert json.loads(site.command("boot", "--format", "json").stdout) == boot
    assert site.stop()[0] == 0
    assert json.loads(site.command("boot", "--format", "json").stdout) == boot
